using System.Threading.Channels;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Storage;

namespace Gateway.PullThrough;

/// <summary>
/// Fetches ahead of need: when a manifest has been admitted, its config and layers; of an index, the children of some platforms, through
/// the gate. Two blobs at a time, none while clients' fetches are many, none where there is no room; what does not get its turn is left to
/// be fetched when it is asked for.
/// </summary>
internal sealed class Prefetch : IAsyncDisposable
{
    // Images that wait; of more, the newest are left out.
    private const int MaxWaiting = 1024;

    // Blobs at a time, over all upstreams: half of what one client's pull takes.
    private const int Workers = 2;

    // Of the 32 fetches that one upstream is asked for at a time, the rest is for clients alone.
    private const int QuietBelow = 8;

    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(250);

    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly PlatformDemand _demand;
    private readonly Channel<Func<CancellationToken, Task>> _waiting = Channel.CreateBounded<Func<CancellationToken, Task>>(
        new BoundedChannelOptions(MaxWaiting) { FullMode = BoundedChannelFullMode.DropWrite },
        itemDropped: _ => PullThroughMetrics.PrefetchesWaiting.Add(-1));
    private readonly CancellationTokenSource _stop = new();
    private readonly Task[] _workers;

    public Prefetch(TimeProvider clock, ILogger logger)
    {
        (_clock, _logger, _demand) = (clock, logger, new(clock));
        _workers = [.. Enumerable.Range(0, Workers).Select(_ => Task.Run(RunAsync))];
    }

    /// <summary>Asks for a manifest by digest as a client would: through the gate of this upstream's repository.</summary>
    internal delegate Task PullManifest(string upstream, RepositoryName name, Digest digest, CancellationToken cancellationToken);

    public PrefetchOptions Options { get; set; } = PrefetchOptions.Off;

    /// <summary>Set once, by whoever puts the gate together.</summary>
    public PullManifest Pull { get; set; } = (_, _, _, _) => Task.CompletedTask;

    /// <summary>Learns from a client's request which platforms are in demand.</summary>
    public void Asked(Digest digest, Result<StoredManifest> result)
    {
        if (Options.Mode != PrefetchMode.Auto) return;
        _demand.Asked(digest);
        if (result is Result<StoredManifest>.Found { Value.Manifest: { IsIndex: true } index }) _demand.Note(index);
    }

    /// <summary>A manifest has come and was admitted and kept: what it names follows, in its turn.</summary>
    public void Admitted(
        PullThroughRepository repository, UpstreamRepository source, FetchTable fetches, Operation.StoreManifest stored)
    {
        if (Options.Mode == PrefetchMode.Off) return;
        var manifest = fetches.Recent.Find(source, stored.Digest)?.Manifest
            ?? ManifestReader.Read(stored.Bytes, null, Volume.ReadBackLimits).Manifest;
        if (manifest is null) return;
        if (manifest.IsIndex)
        {
            _demand.Note(manifest);
            foreach (var child in ChildrenOf(manifest)) Enqueue(token => PullChildAsync(source, child, token));
        }
        foreach (var blob in manifest.Blobs.Where(blob => blob.Urls.IsEmpty))
            Enqueue(token => FetchAsync(repository, fetches, blob, token));
    }

    private IEnumerable<Digest> ChildrenOf(Manifest index)
    {
        IEnumerable<string> wanted = Options.Mode == PrefetchMode.Auto ? _demand.Wanted() : Options.Platforms;
        return index.Children
            .Where(child => child.Platform is { } platform && PrefetchOptions.Matches(wanted, PlatformDemand.Text(platform)))
            .Select(child => child.Digest);
    }

    private void Enqueue(Func<CancellationToken, Task> work)
    {
        PullThroughMetrics.PrefetchesWaiting.Add(1);
        _waiting.Writer.TryWrite(work);
    }

    private async Task PullChildAsync(UpstreamRepository source, Digest child, CancellationToken cancellationToken)
    {
        using var own = _demand.Ignore(child);
        await Pull(source.Key, source.Name, child, cancellationToken);
    }

    private async Task FetchAsync(
        PullThroughRepository repository, FetchTable fetches, Descriptor blob, CancellationToken cancellationToken)
    {
        while (fetches.Count >= QuietBelow) await Task.Delay(LookAgain, _clock, cancellationToken);
        var kept = await repository.KeepAsync(blob, cancellationToken);
        if (kept.Problem is { } problem) Log.NotPrefetched(_logger, blob.Digest, problem);
        PullThroughMetrics.Prefetched(kept.Problem is null);
    }

    private async Task RunAsync()
    {
        try
        {
            await foreach (var work in _waiting.Reader.ReadAllAsync(_stop.Token))
            {
                PullThroughMetrics.PrefetchesWaiting.Add(-1);
                try
                {
                    await work(_stop.Token);
                }
                catch (Exception e) when (e is not OperationCanceledException || !_stop.IsCancellationRequested)
                {
                    Log.PrefetchFailed(_logger, e);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping: what waits is fetched when it is asked for.
        }
    }

    public async ValueTask DisposeAsync()
    {
        // May be told twice, as every disposable may.
        if (_stop.IsCancellationRequested) return;
        await _stop.CancelAsync();
        await Task.WhenAll(_workers);
        _stop.Dispose();
    }
}
