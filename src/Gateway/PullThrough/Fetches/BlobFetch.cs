using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Gateway.PullThrough;

/// <summary>
/// One fetch of one digest: it brings the content into a <see cref="PartFile"/>, verifies and publishes it. It lives until it has ended
/// and its last reader has left (docs/design/0003-fetch.md).
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The last holder disposes of what it owns.")]
internal sealed class BlobFetch
{
    private readonly FetchResources _resources;
    private readonly long _largestAbandoned;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _verified = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _published = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<bool> _vouched = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly UpstreamRepository _first;
    private readonly Func<BlobFetch, long, Task>? _whenVouched;
    private readonly Lock _gate = new();
    private Task _linking = Task.CompletedTask;
    private int _holders = 1; // the fetch itself
    private int _readers;
    private bool _isUseless;
    private ImmutableHashSet<Uri> _givers = [];

    /// <param name="largestAbandoned">Bytes; a larger fetch stops when its last reader leaves.</param>
    /// <param name="length">Bytes of the content; null when unknown.</param>
    /// <param name="source">A repository that has vouched for the digest, unless <paramref name="whenVouched"/> is given.</param>
    /// <param name="whenVouched">
    /// Called when the source has answered with the blob, with the announced number of bytes; must not throw. What it returns is waited for
    /// before the blob is published, and not before its first byte is sent. A response without a length ends the fetch.
    /// </param>
    public BlobFetch(
        FetchResources resources, long largestAbandoned, Digest digest, long? length, UpstreamRepository source,
        Func<BlobFetch, long, Task>? whenVouched = null)
    {
        (_resources, _largestAbandoned, Part, Sources) = (resources, largestAbandoned, new(digest, length), new(source));
        (_first, _whenVouched, Since) = (source, whenVouched, resources.Clock.GetUtcNow());
        if (resources.IsSuspect(digest, out var endpoint)) Sources.Except = endpoint;
        // A failure reaches every waiter; a fetch without a waiter is no error.
        _ = _started.Task.ContinueWith(static t => _ = t.Exception, TaskScheduler.Default);
        _ = _verified.Task.ContinueWith(static t => _ = t.Exception, TaskScheduler.Default);
        _ = _vouched.Task.ContinueWith(static t => _ = t.Exception, TaskScheduler.Default);
    }

    /// <summary>When it began.</summary>
    public DateTimeOffset Since { get; }

    public Digest Digest => Part.Digest;

    /// <summary>The growing file, for readers: its handle exists after <see cref="Started"/>.</summary>
    public PartFile Part { get; }

    /// <summary>Where it can be fetched.</summary>
    public FetchSources Sources { get; }

    /// <summary>
    /// Ends when the first source has vouched for the digest by its response; false when another source answered, or none was asked. Faults
    /// when no response was received.
    /// </summary>
    public Task<bool> Vouched => _vouched.Task;

    /// <summary>The replica that the content comes from now; null for an upstream.</summary>
    public Uri? Peer { get; set; }

    /// <summary>Records that a replica sent bytes of the content.</summary>
    public void ReceivedFrom(Uri peer) => _givers = _givers.Add(peer);

    /// <summary>Ends when an upstream or a replica has answered and bytes will follow; faults when none will.</summary>
    public Task Started => _started.Task;

    /// <summary>Ends when the digest matched; faults when it will not.</summary>
    public Task Verified => _verified.Task;

    /// <summary>Ends after <see cref="Verified"/>, when the content is in its place, or could not be moved there.</summary>
    public Task Published => _published.Task;

    /// <summary>The number of readers now.</summary>
    public int Readers
    {
        get
        {
            lock (_gate) return _readers;
        }
    }

    /// <summary>
    /// Adds a reader; false when the fetch has ended and has no holder, or has ended without the content: a new one can bring it.
    /// </summary>
    /// <param name="source">The repository of the reader, which has vouched; null for another replica.</param>
    public bool TryJoin(UpstreamRepository? source)
    {
        lock (_gate)
        {
            if (_holders == 0 || _isUseless) return false;
            _holders++;
            _readers++;
        }
        if (source is not null) Sources.Add(source);
        return true;
    }

    /// <summary>Removes a reader. A fetch without readers goes on only up to the size limit.</summary>
    public async ValueTask LeaveAsync()
    {
        bool alone;
        lock (_gate) alone = --_readers == 0;
        if (alone && !Part.IsVerified && (Part.Length ?? Part.Position) > _largestAbandoned) await _stop.CancelAsync();
        await LetGoAsync();
    }

    /// <summary>Stops it; the part stays on disk.</summary>
    public async ValueTask StopAsync()
    {
        lock (_gate)
        {
            if (_holders == 0) return;
            _holders++;
        }
        await _stop.CancelAsync();
        await LetGoAsync();
    }

    /// <summary>Runs the fetch to its end; never throws. Called once; <see cref="EndAsync"/> follows.</summary>
    public async Task RunAsync()
    {
        // After wrong bytes, only the upstream is asked: a replica that has them on disk would send them again.
        await using var turn = _resources.IsSuspect(Digest) ? null : _resources.Peers?.Begin(this);
        try
        {
            await FetchAsync(turn, _stop.Token);
            turn?.Verified();
            await PublishAsync();
        }
        catch (Exception e)
        {
            Fail(e);
        }
        finally
        {
            _published.TrySetResult();
        }
    }

    /// <summary>The fetch has ended, and no reader finds it any more.</summary>
    public async ValueTask EndAsync()
    {
        await _linking;
        await LetGoAsync();
    }

    private async Task FetchAsync(IFetchTurn? turn, CancellationToken cancellationToken)
    {
        using var place = await _resources.Places.EnterAsync(Sources.Current, cancellationToken);
        if (await _resources.IsStoredAsync(Digest, Part.Length, cancellationToken))
            throw new FetchException(FetchFailure.OnDisk, $"{Digest} is on disk already");
        if (!Part.TryOpen(_resources.Files)) throw NoRoom();
        if (Part.Length < Part.EarlierLength)
            throw Wrong(null, $"expected at most {Part.Length} bytes in the part of an earlier fetch, got {Part.EarlierLength}");
        await Part.HashWrittenAsync(cancellationToken);
        // The part may be the whole content. With an unknown length, the next request would ask for bytes after the end.
        if (Part is { Length: null, Position: > 0 } && Part.DigestSoFar() == Digest) Part.Length = Part.Position;
        Uri? endpoint = null;
        if (turn is null || Part.Position == Part.Length) endpoint = await DownloadAsync(cancellationToken);
        else await turn.BringAsync(async stop => endpoint = await DownloadAsync(stop), BeginFollowing, cancellationToken);
        var actual = Part.DigestSoFar();
        if (actual != Digest)
        {
            var what = $"expected {Digest}, got {Part.Position} bytes with the digest {actual}";
            if (_givers.IsEmpty) throw Wrong(endpoint, what);
            turn?.Misled(_givers);
            Part.Discard();
            _resources.SuspectPeers(Digest, _givers, what);
            throw new FetchException(FetchFailure.Wrong, what);
        }
        Part.Complete();
        _verified.TrySetResult();
    }

    private void BeginFollowing()
    {
        _vouched.TrySetResult(false);
        if (!Part.TryReserve()) throw NoRoom();
        _started.TrySetResult();
    }

    /// <summary>Brings the rest from the upstream. Returns the endpoint that answered last; null if nothing was missing.</summary>
    private async Task<Uri?> DownloadAsync(CancellationToken cancellationToken)
    {
        await using var download = new ParallelDownload(Part, Sources, _resources);
        if (Part.Position != Part.Length) await OpenAsync(download, cancellationToken);
        else _vouched.TrySetResult(false);
        _started.TrySetResult();
        await download.RunAsync(cancellationToken);
        return download.Endpoint;
    }

    private async Task OpenAsync(ParallelDownload download, CancellationToken cancellationToken)
    {
        await download.OpenAsync(cancellationToken);
        // Another repository may have joined, and its upstream may have answered instead: that is no right for the first one.
        var hasVouched = ReferenceEquals(Sources.Current, _first);
        if (hasVouched && _whenVouched is not null)
        {
            // Only a HEAD can tell then what the bytes are: no reader may be given a guess.
            if (download.Announced is not { } length)
                throw new FetchException(FetchFailure.Stopped, $"the first response with {Digest} announced no length of the blob");
            _linking = _whenVouched(this, length);
        }
        _vouched.TrySetResult(hasVouched);
        if (!Part.TryReserve()) throw NoRoom();
    }

    private FetchException NoRoom() => new(FetchFailure.NoRoom, $"the volume has no room for {Digest}");

    private FetchException Wrong(Uri? endpoint, string what)
    {
        Part.Discard();
        _resources.Suspect(Digest, endpoint, Sources.Current, what);
        return new FetchException(FetchFailure.Wrong, what);
    }

    // If publishing fails, the next request fetches again; current readers are unaffected.
    private async Task PublishAsync()
    {
        try
        {
            // A request that finds the content on disk must also find the link of the repository for which it was fetched.
            await _linking;
            await Part.PublishAsync(CancellationToken.None);
            Log.Fetched(_resources.Logger, Digest, Part.Position, Sources.Current.Key);
        }
        catch (IOException e)
        {
            Log.NotStored(_resources.Logger, e, Digest);
            Part.Discard();
        }
    }

    private void Fail(Exception e)
    {
        var failure = e as FetchException ?? new FetchException(
            e is OperationCanceledException ? FetchFailure.Stopped : FetchFailure.Unavailable,
            $"the fetch of {Digest} ended: {e.Message}", e);
        if (failure.Failure is FetchFailure.NoRoom or FetchFailure.Wrong || Part.Position == 0) Part.Discard();
        // Another fetch or a push has stored it meanwhile: readers look at the disk again.
        if (failure.Failure != FetchFailure.OnDisk) Log.FetchFailed(_resources.Logger, Digest, Part.Position, failure.Message);
        lock (_gate) _isUseless = failure.Failure is FetchFailure.Wrong or FetchFailure.Absent;
        Part.Fail(failure);
        _vouched.TrySetException(failure);
        _started.TrySetException(failure);
        _verified.TrySetException(failure);
    }

    private async ValueTask LetGoAsync()
    {
        lock (_gate)
        {
            if (--_holders > 0) return;
        }
        await Part.DisposeAsync();
        _stop.Dispose();
    }
}
