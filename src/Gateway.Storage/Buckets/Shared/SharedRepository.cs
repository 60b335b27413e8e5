namespace Gateway.Storage;

/// <summary>
/// A built-in repository that several gateways share. Before it answers, it makes this gateway's copy up to date: for a tag or a list, as
/// of a read of the log that begins after the request; for content by digest, as of at most a second before. What is not found is looked
/// for again after a read. While the bucket does not answer, the last known state is served for some time.
/// </summary>
/// <param name="gate">Keeps what clients find from being collected.</param>
/// <param name="staleFor">See <see cref="SharedStore.StaleFor"/>.</param>
internal sealed class SharedRepository(StoredRepository inner, RepositoryLog log, CollectionGate gate, TimeSpan staleFor)
    : DelegatingBacking(inner)
{
    /// <summary>
    /// How old the last read of the log may be for content by digest. Chosen: a deleted image is pullable that much longer.
    /// </summary>
    private static readonly TimeSpan Recent = TimeSpan.FromSeconds(1);

    /// <summary>
    /// How long a request waits for the log before it counts as away. Chosen: below the time that clients wait for headers, and far above
    /// a read (3 ms measured on Ceph).
    /// </summary>
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(5);

    /// <summary>
    /// The same after a read that failed, so that clients of a store that is silent do not wait long for each answer. Chosen: still far
    /// above a read.
    /// </summary>
    private static readonly TimeSpan MaxWaitInDoubt = TimeSpan.FromSeconds(1);

    /// <summary>When a client should try again, if the bucket does not answer. Chosen.</summary>
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(5);

    public override bool IsBuiltIn => true;

    public override ValueTask<Result<TagState>> ResolveAsync(TagName tag, CancellationToken cancellationToken) =>
        AskAsync(default, () => inner.ResolveAsync(tag, cancellationToken), cancellationToken);

    public override ValueTask<Result<TaggedManifest>> ReadTagAsync(
        TagName tag, bool isForClient, CancellationToken cancellationToken) =>
        AskAsync(default, () => inner.ReadTagAsync(tag, isForClient, cancellationToken), cancellationToken);

    public override ValueTask<Result<Page<TagName>>> TagsAfterAsync(string? last, int count, CancellationToken cancellationToken) =>
        AskAsync(default, () => inner.TagsAfterAsync(last, count, cancellationToken), cancellationToken);

    public override ValueTask<Result<IReadOnlyList<Descriptor>>> ReferrersAsync(Digest subject, CancellationToken cancellationToken) =>
        AskAsync(default, () => inner.ReferrersAsync(subject, cancellationToken), cancellationToken);

    public override ValueTask<Result<IReadOnlyList<Digest>>> EvidenceAsync(Digest subject, CancellationToken cancellationToken) =>
        AskAsync(Recent, () => inner.EvidenceAsync(subject, cancellationToken), cancellationToken);

    public override ValueTask<Result<StoredManifest>> ReadManifestAsync(Digest digest, CancellationToken cancellationToken) =>
        AskAsync(Recent, () => inner.ReadManifestAsync(digest, cancellationToken), cancellationToken);

    public override ValueTask<Result<IContent>> OpenBlobAsync(Digest digest, BlobUse use, CancellationToken cancellationToken) =>
        use.Kind == BlobUseKind.Head
            ? HeadAsync(digest, use, cancellationToken)
            : AskAsync(Recent, () => inner.OpenBlobAsync(digest, use, cancellationToken), cancellationToken);

    // While the bucket does not answer, the disk of this gateway may have the blob.
    public override ValueTask<Uri?> RedirectAsync(Digest digest, CancellationToken cancellationToken) =>
        log.IsInDoubt ? default : inner.RedirectAsync(digest, cancellationToken);

    // A pusher relies on the answer for the grace time.
    private async ValueTask<Result<IContent>> HeadAsync(Digest digest, BlobUse use, CancellationToken cancellationToken)
    {
        var result = await AskAsync(Recent, () => inner.OpenBlobAsync(digest, use, cancellationToken), cancellationToken);
        if (result is not Result<IContent>.Found found || await gate.KeepAsync(found.Value.Digest, cancellationToken)) return result;
        await found.Value.DisposeAsync();
        return new Result<IContent>.Absent(CacheHandling.Local);
    }

    public override async ValueTask<Link?> ReadLinkAsync(Digest digest, LinkKind kind, CancellationToken cancellationToken)
    {
        await ReadyAsync(Recent, cancellationToken);
        if (await inner.ReadLinkAsync(digest, kind, cancellationToken) is { } link) return link;
        await ReadyAsync(default, cancellationToken);
        return await inner.ReadLinkAsync(digest, kind, cancellationToken);
    }

    public override async ValueTask<bool> HasBytesAsync(LinkKind kind, Digest digest, long size, CancellationToken cancellationToken)
    {
        await ReadyAsync(Recent, cancellationToken);
        // The commit decides whether it is too late.
        await gate.KeepAsync(digest, cancellationToken);
        if (await inner.HasBytesAsync(kind, digest, size, cancellationToken)) return true;
        await ReadyAsync(default, cancellationToken);
        return await inner.HasBytesAsync(kind, digest, size, cancellationToken);
    }

    public override async ValueTask<IReadOnlyList<Digest>> SubjectsOfAsync(Digest evidence)
    {
        await ReadyAsync(Recent, CancellationToken.None);
        return await inner.SubjectsOfAsync(evidence);
    }

    public override async ValueTask<IReadOnlyCollection<Digest>> IndexesOfAsync(Digest child)
    {
        await ReadyAsync(Recent, CancellationToken.None);
        return await inner.IndexesOfAsync(child);
    }

    public override async ValueTask<DateTimeOffset?> FirstSeenAsync(Digest digest)
    {
        await ReadyAsync(Recent, CancellationToken.None);
        return await inner.FirstSeenAsync(digest);
    }

    public override async ValueTask<CaughtUp> CatchUpAsync(CancellationToken cancellationToken) =>
        await TryValidateAsync(default, cancellationToken) is { } failure ? new(false, WhyOf(failure)) : new(true, null);

    /// <summary>
    /// Makes the copy ready for code that reads it without a result of its own. Throws <see cref="StoreReadOnlyException"/> when the bucket
    /// has not answered for too long.
    /// </summary>
    private async ValueTask ReadyAsync(TimeSpan age, CancellationToken cancellationToken)
    {
        if (await TryValidateAsync(age, cancellationToken) is { } failure && !MayBeStale(failure))
            throw new StoreReadOnlyException(WhyOf(failure), failure);
    }

    // A log that cannot be read, or not be applied to a full disk, has changed: what the copy says may be revoked. A change of this gateway
    // that was not stored says nothing about the copy.
    private bool MayBeStale(Exception failure) =>
        failure is not (UnreadableLogException or CopyUnwrittenException) && log.SinceKnown is { } since && since <= staleFor;

    private async ValueTask<Result<T>> AskAsync<T>(TimeSpan age, Func<ValueTask<Result<T>>> ask, CancellationToken cancellationToken)
    {
        var failure = await TryValidateAsync(age, cancellationToken);
        if (failure is not null && !MayBeStale(failure)) return Unavailable<T>(failure);
        var result = await ask();
        if (result is not Result<T>.Absent) return failure is null ? result : Stale(result, failure);
        // Another gateway may have pushed it: within the last second, or while the bucket does not answer.
        if (failure is null && age > TimeSpan.Zero)
        {
            failure = await TryValidateAsync(default, cancellationToken);
            if (failure is null) return await ask();
        }
        return failure is null ? result : Unavailable<T>(failure);
    }

    /// <summary>Makes the copy up to date. Returns why that failed; null when it did not.</summary>
    private async ValueTask<Exception?> TryValidateAsync(TimeSpan age, CancellationToken cancellationToken)
    {
        var failure = log.Failure;
        var validation = log.ValidateAsync(age);
        if (validation.IsCompletedSuccessfully) return null;
        // The validation goes on, and shows whether the bucket answers again.
        if (failure is not null) return failure;
        try
        {
            await validation.WaitAsync(log.IsInDoubt ? MaxWaitInDoubt : MaxWait, cancellationToken);
            return null;
        }
        catch (Exception e) when (e is IOException or TimeoutException or UnauthorizedAccessException)
        {
            if (e is TimeoutException) log.Doubt(e);
            return e;
        }
    }

    private static Result<T>.Unavailable Unavailable<T>(Exception why) => new(RetryAfter, WhyOf(why), CacheHandling.Local);

    private static Result<T> Stale<T>(Result<T> result, Exception why) => result is Result<T>.Found found
        ? found with
        {
            Handling = found.Handling with
            {
                Forward = ForwardReason.Stale, Notice = $"{WhyOf(why)}; the answer may be outdated", Incomplete = WhyOf(why),
            },
        }
        : result;

    // No path and no address: a client sees it.
    private static string WhyOf(Exception e) => e switch
    {
        TimeoutException => "the bucket of this registry did not answer in time",
        UnreadableLogException unreadable => unreadable.ForClients,
        CopyUnwrittenException unwritten => $"a change of another gateway could not be applied here: {unwritten.Message}",
        BucketException bucket => bucket.ForClients,
        _ => "the bucket of this registry does not answer",
    };
}
