using System.Collections.Concurrent;

namespace Gateway.Storage;

/// <summary>Content that a change links.</summary>
/// <param name="PlacedUnder">See <see cref="Change.PlacedUnder"/>.</param>
internal readonly record struct LinkedContent(Digest Digest, long PlacedUnder);

/// <summary>
/// Keeps content that is used from being removed by a collection of the bucket, whichever gateway runs it: it spares what is condemned, and
/// finds out what was removed. Each gateway has one, whether it collects or not (docs/design/0025-bucket-collection.md).
/// </summary>
/// <param name="isUsed">Whether pushers used some content lately at this gateway.</param>
/// <param name="forget">Forgets which content is in the bucket, because a collection may have removed some.</param>
internal sealed class CollectionGate(CollectionObjects objects, Func<Digest, bool> isUsed, Action forget)
{
    /// <summary>
    /// How long a removal may be done by the store after the state that announced it was written. Chosen: a thousand take some seconds.
    /// </summary>
    public static readonly TimeSpan RemovalLasts = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How much longer another gateway waits until no removal can be done any more. Chosen: the store's servers may differ by that much.
    /// </summary>
    public static readonly TimeSpan Margin = TimeSpan.FromSeconds(30);

    /// <summary>How often a push looks again while the same content is being removed, with a pause before each. Chosen: some 3 s.</summary>
    private const int MaxLooks = 14;

    /// <summary>Lists that stay in memory. A head is fenced by the current collection, or by the one before.</summary>
    private const int MaxLists = 3;

    private readonly ConcurrentDictionary<long, CondemnedList> _lists = new();
    private readonly Lock _lock = new();
    private KnownState _known;
    private long _seenAt;
    private long _runSeenAt;
    private long _fence;

    /// <summary>The state as of the last look.</summary>
    public KnownState Known
    {
        get
        {
            lock (_lock) return _known;
        }
    }

    /// <summary>For how long this gateway has known the current collection.</summary>
    public TimeSpan RunSeenFor
    {
        get
        {
            lock (_lock) return _known.State is null ? TimeSpan.Zero : objects.Clock.Time.GetElapsedTime(_runSeenAt);
        }
    }

    /// <summary>For how long this gateway has seen the same state.</summary>
    public TimeSpan UnchangedFor
    {
        get
        {
            lock (_lock) return _known.State is null ? TimeSpan.Zero : objects.Clock.Time.GetElapsedTime(_seenAt);
        }
    }

    /// <summary>Notes the fence of a head that was read or written. Call it before others rely on that fence.</summary>
    public void Observe(long fence)
    {
        lock (_lock)
        {
            if (fence <= _fence) return;
            _fence = fence;
        }
        forget();
    }

    /// <summary>
    /// Reads the state. Spares what this gateway has used, and ends a removal that its collector did not end. Throws
    /// <see cref="IOException"/> when the bucket does not answer.
    /// </summary>
    public async Task<KnownState> LookAsync(CancellationToken cancellationToken)
    {
        var known = Note(await objects.ReadAsync(Known, cancellationToken));
        if (known.State is not { } state) return known;
        if (state is { Phase: CollectionPhase.Condemned } && await ListAsync(state.Run, known, cancellationToken) is { } list)
        {
            int[] used = [.. Enumerable.Range(0, list.Items.Count).Where(i => isUsed(list.Items[i].Digest) && !state.IsSpared(i))];
            if (used.Length > 0) await SpareAsync(state.Run, list, used, isLinked: false, cancellationToken);
        }
        if (state.Dying > state.Done && UnchangedFor > RemovalLasts + Margin + Margin) await EndRemovalAsync(known);
        return Known;
    }

    // Its collector was killed, or has lost the bucket: what it sent cannot be done any more.
    private async Task EndRemovalAsync(KnownState known) =>
        Note((await objects.WriteAsync(known.State! with { Done = known.State.Dying, Owner = "" }, known)).Now);

    /// <summary>Notes a state that was read or written.</summary>
    public KnownState Note(KnownState now)
    {
        lock (_lock)
        {
            if (now.ETag == _known.ETag) return now;
            var at = objects.Clock.Time.GetTimestamp();
            // A slow read may return an earlier one.
            if (now.State is { } state && _known.State is { } before && state.Run < before.Run) return now;
            if (now.State?.Run != _known.State?.Run) _runSeenAt = at;
            (_known, _seenAt) = (now, at);
        }
        return now;
    }

    /// <summary>
    /// Keeps a blob that a pusher has found, so that its manifest can be pushed within the grace time. False when it is too late: the
    /// pusher must upload the blob.
    /// </summary>
    public ValueTask<bool> KeepAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (Known.State is not { Phase: not CollectionPhase.Done } state || !_lists.TryGetValue(state.Run, out var list)
            || list.IndexOf(digest) is not { } index || state.IsSpared(index))
            return new(true);
        return TryKeepAsync(state.Run, list, index, cancellationToken);
    }

    private async ValueTask<bool> TryKeepAsync(long run, CondemnedList list, int index, CancellationToken cancellationToken)
    {
        try
        {
            return (await SpareAsync(run, list, [index], isLinked: false, cancellationToken)).Count == 0;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>
    /// The number of the current collection, as of a read that begins now; 0 when there never was one. A repository that had no head when
    /// that collection listed the heads is not fenced by it, but it links nothing of what this collection condemned.
    /// </summary>
    public async ValueTask<long> CurrentRunAsync(CancellationToken cancellationToken) =>
        Note(await objects.ReadAsync(Known, cancellationToken)).State?.Run ?? 0;

    /// <summary>
    /// Prepares links to content on top of a head. What is condemned is spared. Returns the content whose bytes a collection has removed:
    /// they must be stored again before they are linked. Throws <see cref="StoreReadOnlyException"/> while the same content is being
    /// removed, and <see cref="IOException"/> when the bucket does not answer.
    /// </summary>
    /// <param name="fence">The <see cref="LogHead.Fence"/> of the head.</param>
    public async ValueTask<IReadOnlySet<Digest>> CheckAsync(
        long fence, IReadOnlyList<LinkedContent> links, CancellationToken cancellationToken)
    {
        var unsure = links.Where(link => link.PlacedUnder != fence).Select(static link => link.Digest).ToHashSet();
        if (fence > 0) unsure.UnionWith(await SuspectsAsync(fence, links, cancellationToken));
        var gone = new HashSet<Digest>();
        foreach (var digest in unsure)
        {
            if (await objects.Bucket.HeadAsync(BucketContents.KeyOf(objects.Prefix, digest), cancellationToken) is null) gone.Add(digest);
        }
        if (gone.Count > 0) forget();
        return gone;
    }

    // What the collection may have removed.
    private async ValueTask<IEnumerable<Digest>> SuspectsAsync(
        long fence, IReadOnlyList<LinkedContent> links, CancellationToken cancellationToken)
    {
        if (!_lists.TryGetValue(fence, out var list))
        {
            var known = Note(await objects.ReadAsync(Known, cancellationToken));
            // A collection that is older than the one before the current one: what it condemned is not known any more.
            if (await ListAsync(fence, known, cancellationToken) is not { } read) return links.Select(static link => link.Digest);
            list = read;
        }
        int[] condemned = [.. links.Select(link => list.IndexOf(link.Digest)).OfType<int>().Distinct()];
        if (condemned.Length == 0) return [];
        return (await SpareAsync(fence, list, condemned, isLinked: true, cancellationToken)).Select(index => list.Items[index].Digest);
    }

    private async ValueTask<CondemnedList?> ListAsync(long run, KnownState known, CancellationToken cancellationToken)
    {
        if (_lists.TryGetValue(run, out var list)) return list;
        var name = known.State is not { } state ? ""
            : state.Run == run ? state.List
            : state.Run == run + 1 ? state.Previous
            : "";
        if (name.Length == 0) return null;
        list = await objects.ReadListAsync(name, cancellationToken);
        foreach (var old in _lists.Keys.Where(other => other <= run - MaxLists)) _lists.TryRemove(old, out _);
        return _lists[run] = list;
    }

    /// <summary>
    /// Spares condemned content. Returns the indexes for which it is too late: if <paramref name="isLinked"/>, those whose bytes may be
    /// gone; otherwise those whose links may be gone.
    /// </summary>
    private async ValueTask<IReadOnlyCollection<int>> SpareAsync(
        long run, CondemnedList list, IReadOnlyList<int> indexes, bool isLinked, CancellationToken cancellationToken)
    {
        for (var looks = 0; ; looks++)
        {
            if (looks > 0) await objects.Clock.PauseAsync(Math.Min(looks, MaxLooks));
            var known = Note(await objects.ReadAsync(Known, cancellationToken));
            // It ended, and a later one has begun.
            if (known.State is not { } state || state.Run != run) return [.. indexes];
            int[] mortal = [.. indexes.Where(index => !state.IsSpared(index))];
            if (mortal.Length == 0) return mortal;
            if (state.Phase == CollectionPhase.Done || (!isLinked && state.Phase == CollectionPhase.Removing)) return mortal;
            if (isLinked && mortal.Any(index => index >= state.Done && index < state.Dying))
            {
                if (looks < MaxLooks) continue;
                var digest = list.Items[mortal.First(index => index >= state.Done && index < state.Dying)].Digest;
                throw new StoreReadOnlyException($"{digest} is being removed by a collection; push again in a minute");
            }
            int[] condemned = [.. mortal.Where(index => index >= state.Dying)];
            if (condemned.Length == 0) return mortal;
            var (isWritten, now) = await objects.WriteAsync(state.Sparing(condemned), known);
            Note(now);
            if (isWritten) return [.. mortal.Except(condemned)];
            if (looks >= MaxLooks)
                throw new StoreReadOnlyException("other gateways use condemned content at the same time; push again");
        }
    }
}
