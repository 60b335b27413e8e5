namespace Gateway.Storage;

/// <summary>What a log does so that no change links content that a collection of the bucket removes.</summary>
internal sealed partial class RepositoryLog
{
    private long _fence = -1;

    /// <summary>
    /// Keeps what changes link from being removed by a collection of the bucket; null where nothing can be removed.
    /// </summary>
    public CollectionGate? Gate { get; init; }

    /// <summary>The <see cref="LogHead.Fence"/> of the last head that was read or written here; -1 when none was.</summary>
    public long Fence => Volatile.Read(ref _fence);

    private void NoteFence(LogHead head)
    {
        Gate?.Observe(head.Fence);
        Volatile.Write(ref _fence, head.Fence);
    }

    /// <summary>
    /// Makes the head one that a collection has replaced: no change can be made any more on top of an earlier head. Throws
    /// <see cref="StoreReadOnlyException"/> when that is not known.
    /// </summary>
    /// <param name="run">The number of the collection.</param>
    public Task FenceAsync(long run) => CommitAsync(new Change([]) { Fence = run });

    /// <summary>
    /// Makes a head without changes. What a collection has condemned is read after it exists: a collection that begins later finds it.
    /// </summary>
    private async Task<KnownHead> MakeEmptyAsync()
    {
        try
        {
            return new(LogHead.Empty, await objects.PutAsync(LogHead.Empty.ToBytes(), before: null));
        }
        catch (IOException)
        {
            // Another replica has made one, or the answer was lost.
        }
        var read = await objects.ReadAsync(null);
        if (read.ETag is null) throw new StoreReadOnlyException("the bucket did not say whether the push was stored; push again");
        NoteFence(read.Head!);
        await CatchUpAsync(read.Head!, read.ETag, None);
        return new(read.Head!, read.ETag);
    }

    /// <summary>
    /// Answers the changes that link content whose bytes a collection has removed, or is removing; removes them. Returns the fence of the
    /// next head.
    /// </summary>
    private async Task<long> GuardAsync(List<Pending> changes, LogHead head)
    {
        if (Gate is not { } gate) return head.Fence;
        // A collection that did not find this repository has ended its list of heads before this one was made, or adopted.
        var fence = head.Tail.IsEmpty ? Math.Max(head.Fence, await gate.CurrentRunAsync(CancellationToken.None)) : head.Fence;
        foreach (var pending in changes.ToArray())
        {
            if (await AnswerOfAsync(pending.Change, head, fence, gate) is not { } answer) continue;
            changes.Remove(pending);
            if (answer.Exception is { } why) pending.Done.TrySetException(why);
            else pending.Done.TrySetResult(answer.Result!);
        }
        return Math.Max(fence, changes.Max(static pending => (long?)pending.Change.Fence) ?? 0);
    }

    // Null for a change that may be made.
    private static async ValueTask<(CommitResult? Result, StoreReadOnlyException? Exception)?> AnswerOfAsync(
        Change change, LogHead head, long fence, CollectionGate gate)
    {
        // A head of the same collection is replaced again: what a writer wrote before the collection's list, its head can still name.
        if (change.Fence > 0 && head.Fence > change.Fence) return (new CommitResult.Committed(head.Sequence), null);
        var digests = change.Operations.Select(LinkOf).Where(static digest => !digest.IsEmpty);
        LinkedContent[] links = [.. digests.Select(digest => new LinkedContent(digest, change.PlacedUnder))];
        if (links.Length == 0) return null;
        try
        {
            var gone = await gate.CheckAsync(fence, links, CancellationToken.None);
            return gone.Count == 0 ? null : (new CommitResult.Collected(gone.First()), null);
        }
        catch (StoreReadOnlyException e)
        {
            return (null, e);
        }
    }

    private static Digest LinkOf(Operation operation) => operation switch
    {
        Operation.LinkBlob blob => blob.Digest,
        Operation.StoreManifest manifest => manifest.Digest,
        _ => default,
    };
}
