using Gateway.PullThrough;

namespace Gateway.Replicas;

/// <summary>
/// One fetch among replicas: does what its <see cref="FetchLease"/> says. It leads, follows a replica, or fetches alone, and changes
/// between them at the watermark.
/// </summary>
internal sealed class SharedFetch : IFetchTurn
{
    private readonly ReplicaServices _services;
    private readonly Action<SharedFetch> _over;
    private readonly CancellationTokenSource _end = new();
    private readonly Lock _gate = new();
    private readonly Task _renewing;
    private TaskCompletionSource _decided = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CancellationTokenSource _serving = new();
    private CancellationTokenSource? _leading;
    private FetchLease _lease;
    private Task _settling = Task.CompletedTask;

    public SharedFetch(BlobFetch fetch, ReplicaServices services, Action<SharedFetch> over)
    {
        (Fetch, _services, _over) = (fetch, services, over);
        _renewing = RenewAsync(_end.Token);
    }

    public Digest Digest => Fetch.Digest;

    /// <summary>The fetch of this replica.</summary>
    public BlobFetch Fetch { get; }

    /// <summary>What this replica does now.</summary>
    public LeaseState State => Lease.State;

    /// <summary>The replica that is read now; null while this one reads from an upstream.</summary>
    public Uri? Peer => Lease is { State: LeaseState.Follow, Peer: { } peer } ? peer : null;

    private FetchLease Lease
    {
        get
        {
            lock (_gate) return _lease;
        }
    }

    /// <summary>
    /// Waits until it is known whether this replica serves the fetch. Returns a token that is canceled when it no longer does; null if it
    /// does not.
    /// </summary>
    public async Task<CancellationToken?> ServesAsync(CancellationToken cancellationToken)
    {
        Task decided;
        lock (_gate) decided = _decided.Task;
        await decided.WaitAsync(cancellationToken);
        lock (_gate) return _lease.Serves ? _serving.Token : null;
    }

    public async Task BringAsync(Func<CancellationToken, Task> download, Action started, CancellationToken cancellationToken)
    {
        while (true)
        {
            var lease = Lease;
            if (lease.State == LeaseState.Idle) await AskAsync(cancellationToken);
            else if (lease.Downloads)
            {
                Fetch.Peer = null;
                if (await TryDownloadAsync(download, cancellationToken)) return;
                Log.TurnLost(_services.Logger, Lease.Peer!, Digest, Fetch.Part.Position);
            }
            else if (await new PeerDownload(Fetch, lease.Peer!, _services).TryRunAsync(started, cancellationToken)) return;
            else
            {
                _services.Members.Avoid(lease.Peer!);
                ReplicaMetrics.PeerFailed("stopped");
                Step(current => current.PeerFailed());
            }
        }
    }

    public void Verified()
    {
        var before = Lease;
        Step(lease => lease.Verified());
        ReplicaMetrics.Lease(before.State switch
        {
            LeaseState.Lead => before.Failures > 0 ? "taken" : "led",
            LeaseState.Alone => "alone",
            _ => "followed",
        });
        if (before.Downloads && _services.Leases is { } leases)
        {
            var mine = before.Value ?? new(0, _services.Self.Id, _services.Self.Url);
            _settling = leases.SettleAsync(Digest, before.Value, mine.Note);
        }
    }

    public void Misled(IReadOnlyCollection<Uri> peers)
    {
        foreach (var peer in peers)
        {
            _services.Members.AvoidLiar(peer);
            ReplicaMetrics.PeerFailed("wrong");
        }
        // A note that leads to wrong bytes would mislead each other replica once more.
        if (Lease is { State: LeaseState.Follow, Value: { IsNote: true } note }) _settling = _services.Leases!.ReleaseAsync(Digest, note);
    }

    /// <summary>Ends the fetch for other replicas; never throws, because the fetch itself has ended well or badly by then.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await _end.CancelAsync();
            await _renewing;
            await _settling;
            _over(this);
            // Replicas that read this fetch hold it, and read to its end or learn of its failure from the part.
            if (Lease is { State: LeaseState.Lead, Value: { } mine }) await _services.Leases!.ReleaseAsync(Digest, mine);
        }
        catch (Exception e)
        {
            Log.TurnFailed(_services.Logger, e, Digest);
        }
        finally
        {
            _over(this);
            lock (_gate) _decided.TrySetResult();
            _end.Dispose();
        }
    }

    /// <summary>Who fetches: asks Redis, and the other replicas before the upstream is asked.</summary>
    private async Task AskAsync(CancellationToken cancellationToken)
    {
        var distrusted = Lease.Distrusted;
        if (_services.Leases is null || await TakeAsync(_services.Leases, distrusted) is not { } found)
        {
            var serving = await FindServingAsync(cancellationToken);
            Step(lease => lease.Silent(serving?.Url));
            return;
        }
        if (found.Id != _services.Self.Id)
        {
            Step(lease => lease.Held(found));
            return;
        }
        // Redis may have lost the lease of a replica that fetches, or the note of one that has the content.
        var other = await FindServingAsync(cancellationToken);
        if (other is var (url, offer))
        {
            if (offer.IsWhole) await _services.Leases.SettleAsync(Digest, found, found with { Url = url, Id = "-", IsNote = true });
            else await _services.Leases.ReleaseAsync(Digest, found);
            Step(lease => lease.Granted(found).Found(url));
            return;
        }
        Step(lease => lease.Granted(found));
    }

    // A note outlives its replica by minutes. One that has left would cost each blob that it had a wait for its machine.
    private async Task<LeaseValue?> TakeAsync(LeaseStore leases, LeaseValue? distrusted)
    {
        var found = await leases.TakeAsync(Digest, distrusted);
        return found is { IsNote: true } note && _services.Members.Others.All(each => each.Url != note.Url)
            ? await leases.TakeAsync(Digest, note)
            : found;
    }

    /// <summary>The first replica, in the digest's own order, that has the content or fetches it; null for none.</summary>
    private async Task<(Uri Url, PeerOffer Offer)?> FindServingAsync(CancellationToken cancellationToken)
    {
        (Uri Url, PeerOffer Offer)? best = null;
        foreach (var (url, offer) in await _services.AskAsync(Digest, cancellationToken))
        {
            if (offer is { } one && (best is null || (one.IsWhole && !best.Value.Offer.IsWhole))) best = (url, one);
        }
        return best;
    }

    /// <summary>False if another replica has taken the lease: the connection to the upstream is ended, and what arrived stays.</summary>
    private async Task<bool> TryDownloadAsync(Func<CancellationToken, Task> download, CancellationToken cancellationToken)
    {
        using var leading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        lock (_gate)
        {
            if (!_lease.Downloads) return false;
            _leading = leading;
        }
        try
        {
            await download(leading.Token);
            return true;
        }
        catch (Exception) when (!Lease.Downloads && !cancellationToken.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            lock (_gate) _leading = null;
        }
    }

    // The period is each fetch's own, so that leaders register one after the other with a Redis that comes back.
    private async Task RenewAsync(CancellationToken end)
    {
        if (_services.Leases is not { } leases) return;
        try
        {
            while (true)
            {
                await Task.Delay(LeaseStore.Renewal * (0.8 + (Random.Shared.NextDouble() * 0.2)), _services.Clock, end);
                await RenewOnceAsync(leases);
            }
        }
        catch (OperationCanceledException)
        {
            // The fetch has ended.
        }
        catch (Exception e)
        {
            // The fetch goes on; its lease runs out, and another replica may take it.
            Log.TurnFailed(_services.Logger, e, Digest);
        }
    }

    private async Task RenewOnceAsync(LeaseStore leases)
    {
        if (Lease is { State: LeaseState.Lead, Value: { } mine }
            && await leases.RenewAsync(Digest, mine) is (true, var current)) Step(now => now.Renewed(current));
        if (Lease is { Downloads: true, Value: null } && await leases.TakeAsync(Digest, null) is { } found)
            Step(now => found.Id == _services.Self.Id ? now.Granted(found) : now.Held(found));
    }

    private void Step(Func<FetchLease, FetchLease> next)
    {
        CancellationTokenSource? stopLeading = null, stopServing = null;
        lock (_gate)
        {
            var before = _lease;
            _lease = next(before);
            if (before.Downloads && !_lease.Downloads && _lease.State != LeaseState.Done) stopLeading = _leading;
            if (before.Serves && !_lease.Serves) (stopServing, _serving) = (_serving, new());
            if (_lease.State == LeaseState.Idle && _decided.Task.IsCompleted)
                _decided = new(TaskCreationOptions.RunContinuationsAsynchronously);
            else if (_lease.State != LeaseState.Idle) _decided.TrySetResult();
        }
        Cancel(stopLeading);
        Cancel(stopServing);
    }

    // Outside the lock, because the callbacks of the token run here. What it stops may have ended meanwhile.
    private static void Cancel(CancellationTokenSource? source)
    {
        try
        {
            source?.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The download has ended, and disposed of its source.
        }
    }
}
