using Gateway.Configuration;
using Gateway.Storage;

namespace Gateway.PullThrough;

/// <summary>
/// Prefetches the config and layers of an admitted manifest. Of an index, it pulls the children of some platforms through the gate. It
/// fetches two blobs at a time, and none while clients' fetches are many or the volume has no room. Content that it does not fetch is
/// fetched when a client requests it.
/// </summary>
internal sealed class Prefetch(TimeProvider clock, ILogger logger) : IAsyncDisposable
{
    // Blobs at a time, over all upstreams: half of what the pull of one client uses.
    private const int Workers = 2;

    // Of the 32 fetches that one upstream may have at a time, the rest is reserved for clients.
    private const int QuietBelow = 8;

    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(250);

    private readonly PlatformDemand _demand = new(clock);
    private readonly AheadQueue _queue = new(Workers, logger);

    public PrefetchOptions Options { get; set; } = PrefetchOptions.Off;

    /// <summary>Starts the workers, once. Work that was added before waits for them.</summary>
    /// <param name="pull">Pulls manifests through the gate.</param>
    public void Start(PullManifest pull) => _queue.Start(pull);

    /// <summary>Learns from a client's request which platforms are in demand.</summary>
    /// <param name="manifest">The manifest that the client received; null for none.</param>
    public void Asked(Digest digest, Manifest? manifest)
    {
        if (Options.Mode != PrefetchMode.Auto) return;
        _demand.Asked(digest);
        if (manifest is { IsIndex: true }) _demand.Note(manifest);
    }

    /// <summary>A manifest was received, admitted and stored: queues what it names.</summary>
    public void Admitted(
        PullThroughRepository repository, UpstreamRepository source, FetchTable fetches, Operation.StoreManifest stored)
    {
        if (Options.Mode == PrefetchMode.Off) return;
        var manifest = fetches.Recent.Find(source, stored.Digest, repository.Limits)?.Manifest
            ?? ManifestReader.Read(stored.Bytes, null, StoredManifest.ReadBackLimits).Manifest;
        if (manifest is null) return;
        if (manifest.IsIndex)
        {
            _demand.Note(manifest);
            foreach (var child in ChildrenOf(manifest)) _queue.Add((pull, token) => PullChildAsync(source, child, pull, token));
        }
        foreach (var blob in manifest.Blobs.Where(blob => blob.Urls.IsEmpty))
            _queue.Add((_, token) => FetchAsync(repository, fetches, blob, token));
    }

    private IEnumerable<Digest> ChildrenOf(Manifest index)
    {
        IEnumerable<string> wanted = Options.Mode == PrefetchMode.Auto ? _demand.Wanted() : Options.Platforms;
        return index.Children
            .Where(child => child.Platform is { } platform && PrefetchOptions.Matches(wanted, PlatformDemand.Text(platform)))
            .Select(child => child.Digest);
    }

    private async Task PullChildAsync(
        UpstreamRepository source, Digest child, PullManifest pull, CancellationToken cancellationToken)
    {
        using var own = _demand.Ignore(child);
        await pull(source.Key, source.Name, new(child), cancellationToken);
    }

    private async Task FetchAsync(
        PullThroughRepository repository, FetchTable fetches, Descriptor blob, CancellationToken cancellationToken)
    {
        while (fetches.Count >= QuietBelow) await Task.Delay(LookAgain, clock, cancellationToken);
        var kept = await repository.PrefetchAsync(blob, cancellationToken);
        if (kept.Problem is { } problem) Log.NotPrefetched(logger, blob.Digest, problem);
        PullThroughMetrics.Prefetched(kept.Problem is null);
    }

    public ValueTask DisposeAsync() => _queue.DisposeAsync();
}
