namespace Gateway.Storage;

/// <summary>Another gateway goes on with the collection. The message is for the operator.</summary>
internal sealed class CollectionTakenException(string message) : IOException(message);

/// <summary>
/// Removes bytes from a bucket that several gateways write to, in two steps: content is condemned, and what nothing has used or linked for
/// the grace time is removed (docs/design/0025-bucket-collection.md).
/// </summary>
/// <param name="fence">
/// Makes the head of a repository one that no change can be appended to whose writer has not read what this collection condemned. Then
/// returns what the repository links.
/// </param>
internal sealed class BucketCollection(CollectionObjects objects, CollectionGate gate, Func<string, long, Task<IReadOnlySet<Digest>>> fence)
{
    /// <summary>Objects that are removed after one write of the state. Chosen: a push waits at most for as many.</summary>
    private const int Batch = 256;

    /// <summary>Requests at the same time. Chosen: it leaves most of the store's attention to clients.</summary>
    private const int AtOnce = 8;

    /// <summary>
    /// When a collection whose collector wrote nothing is taken over. Chosen: longer than the walk of most buckets; a take-over too early
    /// only does work twice.
    /// </summary>
    private static readonly TimeSpan TakeOverAfter = TimeSpan.FromMinutes(10);

    private readonly string _owner = objects.Clock.NewId().ToString("N");
    private KnownState _state;

    /// <summary>
    /// Condemns content. False when a collection is running: nothing is condemned. Throws <see cref="IOException"/> when the bucket does
    /// not answer.
    /// </summary>
    /// <param name="least">The number of the collection is higher than this one.</param>
    public async Task<bool> CondemnAsync(CondemnedList list, long least, CancellationToken stop)
    {
        var known = gate.Note(await objects.ReadAsync(gate.Known, stop));
        if (known.State is { Phase: not CollectionPhase.Done }) return false;
        // Without the latest state, its number may be one above that of the heads, and other gateways may know its list.
        var run = known.State is { } last && last.Run >= least ? last.Run + 1 : least == 0 ? 1 : least + 2;
        var name = await objects.WriteListAsync(run, list, stop);
        var previous = known.State is { } before && before.Run == run - 1 ? before.List : "";
        var next = new CollectionState(run, "", "", CollectionPhase.Condemned, list.Items.Count, 0, 0, name, previous, []);
        var (isWritten, now) = await objects.WriteAsync(next, known);
        gate.Note(now);
        return isWritten;
    }

    /// <summary>
    /// Begins the removal of what the current collection condemned. Returns null when there is nothing to remove yet; otherwise what says
    /// which links may be removed. Throws <see cref="CollectionTakenException"/> when another gateway removes.
    /// </summary>
    /// <param name="grace">How long this gateway must have known the collection.</param>
    public async Task<(CollectionState State, CondemnedList List)?> BeginAsync(TimeSpan grace, CancellationToken stop)
    {
        var known = await gate.LookAsync(stop);
        if (known.State is not { Phase: not CollectionPhase.Done } state) return null;
        if (state.Phase == CollectionPhase.Condemned && gate.RunSeenFor < grace) return null;
        if (state.Phase == CollectionPhase.Removing && state.Owner.Length > 0 && gate.UnchangedFor < TakeOverAfter)
            throw new CollectionTakenException($"another gateway is removing content of collection {state.Run} now");
        // What another collector has sent is waited for.
        if (state.Dying > state.Done)
            throw new CollectionTakenException($"collection {state.Run} was interrupted, and can be continued in a minute");
        var (isWritten, now) = await objects.WriteAsync(state with { Phase = CollectionPhase.Removing, Owner = _owner }, known);
        gate.Note(now);
        if (!isWritten) throw new CollectionTakenException($"another gateway changed collection {state.Run} at the same time");
        _state = now;
        return (now.State!, await objects.ReadListAsync(state.List, stop));
    }

    /// <summary>
    /// Removes the bytes that no repository links. Throws <see cref="CollectionTakenException"/> when another gateway goes on, and <see
    /// cref="IOException"/> when the bucket does not answer; a later collection continues.
    /// </summary>
    /// <param name="repositories">All that can have links; read after the grace time, so that it has all of the time before.</param>
    /// <param name="kept">Content that stays whatever the repositories link.</param>
    /// <param name="removed">Receives what is gone, with its length.</param>
    public async Task RemoveAsync(
        CondemnedList list, IAsyncEnumerable<string> repositories, IEnumerable<Digest> kept, Action<Digest, long> removed,
        CancellationToken stop)
    {
        var run = _state.State!.Run;
        var linked = kept.Select(list.IndexOf).OfType<int>().ToHashSet();
        await foreach (var some in repositories.Chunk(AtOnce).WithCancellation(stop))
        {
            foreach (var digest in (await Task.WhenAll(some.Select(name => fence(name, run)))).SelectMany(static all => all))
            {
                if (list.IndexOf(digest) is { } index) linked.Add(index);
            }
        }
        await AdvanceAsync(state => state.Sparing(linked), stop);
        while (_state.State is { } state && state.Done < state.Count)
        {
            stop.ThrowIfCancellationRequested();
            var end = Math.Min(state.Done + Batch, state.Count);
            await AdvanceAsync(now => now with { Dying = end }, stop);
            await RemoveAsync(list, removed, stop);
            await AdvanceAsync(now => now with { Done = end }, CancellationToken.None);
        }
        await AdvanceAsync(static state => state with { Phase = CollectionPhase.Done, Owner = "" }, stop);
    }

    /// <summary>Lets any gateway continue, after this one did not end.</summary>
    public async Task ReleaseAsync()
    {
        if (_state.State is not { Owner.Length: > 0 } state || state.Dying > state.Done) return;
        gate.Note((await objects.WriteAsync(state with { Owner = "" }, _state)).Now);
    }

    private async Task RemoveAsync(CondemnedList list, Action<Digest, long> removed, CancellationToken stop)
    {
        var notAfter = await AnnouncedAsync(stop) + CollectionGate.RemovalLasts;
        var (state, began, isUnknown) = (_state.State!, objects.Clock.Time.GetTimestamp(), false);
        foreach (var some in Enumerable.Range(state.Done, state.Dying - state.Done).Where(i => !state.IsSpared(i)).Chunk(AtOnce))
        {
            if (stop.IsCancellationRequested) break;
            await Task.WhenAll(some.Select(RemoveAsync));
        }
        // Until then the store may still do it, and no one may store these bytes again.
        var over = CollectionGate.RemovalLasts + CollectionGate.Margin - objects.Clock.Time.GetElapsedTime(began);
        if (isUnknown && over > TimeSpan.Zero) await objects.Clock.WaitAsync(over, CancellationToken.None);

        async Task RemoveAsync(int index)
        {
            var (digest, length) = list.Items[index];
            try
            {
                var key = BucketContents.KeyOf(objects.Prefix, digest);
                if (await objects.Bucket.PrepareDeleteAsync(key, notAfter, CancellationToken.None) is { } delete
                    && await delete(CancellationToken.None))
                    removed(digest, length);
            }
            catch (IOException)
            {
                isUnknown = true;
            }
        }
    }

    /// <summary>
    /// The store's own time at which the state was written that announces the removal. Only of this state: another gateway may have ended
    /// the removal since, and the same bytes may be stored again.
    /// </summary>
    private async Task<DateTimeOffset> AnnouncedAsync(CancellationToken stop)
    {
        while (true)
        {
            var facts = await objects.Bucket.HeadAsync(objects.Key, stop);
            if (facts?.ETag == _state.ETag) return facts!.Value.Written;
            Continue(await objects.ReadAsync(_state, stop));
        }
    }

    /// <summary>Goes on with a state in which others have only spared content.</summary>
    private void Continue(KnownState now)
    {
        gate.Note(now);
        if (now.State is not { } state || state.Run != _state.State!.Run || state.Owner != _owner)
            throw new CollectionTakenException($"another gateway goes on with collection {_state.State!.Run}");
        _state = now;
    }

    /// <summary>Writes the next state on top of whatever other gateways have spared meanwhile.</summary>
    private async Task AdvanceAsync(Func<CollectionState, CollectionState> next, CancellationToken stop)
    {
        for (; ; stop.ThrowIfCancellationRequested())
        {
            var (isWritten, now) = await objects.WriteAsync(next(_state.State!), _state);
            if (!isWritten)
            {
                Continue(now);
                continue;
            }
            _state = gate.Note(now);
            return;
        }
    }
}
