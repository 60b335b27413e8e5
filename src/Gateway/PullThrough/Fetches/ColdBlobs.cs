using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// Opens the blobs of one repository that are not on disk. The upstream vouches for a blob first; then it is fetched once for all readers,
/// or passed through if the volume has no room.
/// </summary>
internal sealed class ColdBlobs(StoredRepository stored, UpstreamRepository source, FetchTable table, BlobVouching vouching)
{
    // A fetch can end between the look at the disk and the attempt to join it, and the next one can be given up at that moment.
    private const int MaxTries = 3;

    /// <summary>See <see cref="BlobVouching.Pushed"/>.</summary>
    public void Pushed(Digest digest) => vouching.Pushed(digest);

    /// <summary>Opens a blob that was not found on disk.</summary>
    public async ValueTask<Result<IContent>> OpenAsync(Digest digest, BlobUse use, CancellationToken cancellationToken)
    {
        var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            // A range does not wait for the response of a fetch; see IsUnderWayAsync.
            var vouched = use.Kind == BlobUseKind.Whole
                ? await vouching.AskForBodyAsync(digest, left.Task, cancellationToken)
                : await vouching.AskAsync(digest, cancellationToken);
            if (!vouched.Exists) return new Result<IContent>.Absent(UpstreamAnswers.Refused(source, vouched.Status));
            if (use.Kind == BlobUseKind.Head) return await HeadAsync(digest, vouched, cancellationToken);
            var size = vouched.Size
                ?? (vouched.Status is null ? await vouching.AskSizeAsync(digest, mayGet: false, cancellationToken) : null);
            return await OpenBodyAsync(digest, size, use, vouched, cancellationToken);
        }
        catch (UpstreamException e)
        {
            return UpstreamAnswers.Failed<IContent>(source, e);
        }
        catch (FetchException e)
        {
            return UpstreamAnswers.Failed<IContent>(source, e);
        }
        finally
        {
            left.SetResult();
        }
    }

    /// <summary>
    /// Fetches a blob that a manifest of the repository names before a client requests it, or waits for its fetch under way.
    /// </summary>
    public async ValueTask<Prefetched> PrefetchAsync(Descriptor blob, CancellationToken cancellationToken)
    {
        if (await table.Resources.IsStoredAsync(blob.Digest, blob.Size, cancellationToken)) return new(null, 0);
        try
        {
            var (fetch, _) = table.Join(blob.Digest, blob.Size, source);
            try
            {
                await fetch.Verified.WaitAsync(cancellationToken);
                await fetch.Published.WaitAsync(cancellationToken);
                return new(null, blob.Size);
            }
            finally
            {
                await fetch.LeaveAsync();
            }
        }
        catch (FetchException e) when (e.Failure == FetchFailure.OnDisk)
        {
            return new(null, 0);
        }
        catch (Exception e) when (e is FetchException or UpstreamException or ObjectDisposedException)
        {
            return new(e.Message, 0);
        }
    }

    private async ValueTask<Result<IContent>> HeadAsync(Digest digest, BlobVouching.Vouched vouched, CancellationToken cancellationToken)
    {
        if (await FindAsync(digest, vouched.Size, BlobUse.Head, cancellationToken) is { } kept) return kept;
        var size = vouched.Size ?? (vouched.Status is null ? await vouching.AskSizeAsync(digest, mayGet: true, cancellationToken) : null);
        var handling =
            new CacheHandling
            {
                Upstream = source.Key,
                Forward = vouched.Status is null ? ForwardReason.None : ForwardReason.Absent,
                UpstreamStatus = vouched.Status,
            };
        return new Result<IContent>.Found(new HeadContent(digest, size), handling);
    }

    private async ValueTask<Result<IContent>> OpenBodyAsync(
        Digest digest, long? size, BlobUse use, BlobVouching.Vouched vouched, CancellationToken cancellationToken)
    {
        for (var tries = 1; ; tries++)
        {
            // A client that has an unverified beginning must not get the rest: containerd would store the combined blob, and fail on it
            // from then on.
            if (use.Kind == BlobUseKind.Range && use.From != 0 && table.Resources.IsSuspect(digest))
                throw new FetchException(
                    FetchFailure.Unavailable, $"the upstream sent wrong bytes for {digest} lately; request the whole blob");
            try
            {
                return await FollowAsync(digest, size, use, tries == 1 ? vouched : null, cancellationToken);
            }
            catch (FetchException e) when (e.Failure == FetchFailure.NoRoom)
            {
                return await PassThroughAsync(digest, size, use, cancellationToken);
            }
            catch (FetchException e) when (e.Failure is FetchFailure.OnDisk or FetchFailure.Stopped && tries < MaxTries)
            {
                if (await FindAsync(digest, size, use, cancellationToken) is { } kept) return kept;
            }
            // No byte was sent to the client yet: try once more, from another endpoint if there is one.
            catch (FetchException e) when (e.Failure == FetchFailure.Wrong && table.Resources.IsSuspect(digest) && tries == 1)
            {
                Log.AskingAgain(table.Resources.Logger, digest, e.Message);
            }
        }
    }

    /// <param name="vouched">Has the fetch to join, also if that has ended; null for one under way, or a new one.</param>
    private async ValueTask<Result<IContent>> FollowAsync(
        Digest digest, long? size, BlobUse use, BlobVouching.Vouched? vouched, CancellationToken cancellationToken)
    {
        var (fetch, joined) = vouched?.Fetch is { } begun && begun.TryJoin(source)
            ? (begun, vouched.IsShared)
            : table.Join(digest, size, source);
        var early = use.Kind == BlobUseKind.Range ? new EarlyRange(table.Resources, fetch, source) : null;
        var content = new FollowingContent(table.Resources, fetch, size, source, early);
        try
        {
            if (!await IsUnderWayAsync(fetch, early, size, use, cancellationToken)) await fetch.Started.WaitAsync(cancellationToken);
            if (size is { } said && fetch.Part.Length is { } length && said != length)
                throw new FetchException(FetchFailure.Wrong, $"expected {said} bytes for {digest} as its manifest says, got {length}");
            if (MustBeVerified(digest, fetch.Part.Length)) await fetch.Verified.WaitAsync(cancellationToken);
            return new Result<IContent>.Found(content, Handling(fetch, joined, use));
        }
        catch (FetchException e) when (
            e.Failure == FetchFailure.Absent && joined && vouched?.Fetch is null && !fetch.Sources.IsOnly(source))
        {
            // Another repository began the fetch, and its upstream lacks the blob. This one's upstream has vouched, so it is asked itself.
            await content.DisposeAsync();
            throw new FetchException(FetchFailure.Stopped, e.Message, e);
        }
        catch
        {
            await content.DisposeAsync();
            throw;
        }
    }

    // A far range does not wait for the first response of the fetch; that would cost two round trips.
    private async Task<bool> IsUnderWayAsync(
        BlobFetch fetch, EarlyRange? early, long? size, BlobUse use, CancellationToken cancellationToken)
    {
        if (early is null || size is not { } length || MustBeVerified(fetch.Digest, length)) return false;
        var from = use.From < 0 ? Math.Max(0, length + use.From) : use.From;
        var end = use.To is { } to && to < length ? to + 1 : length;
        return from < end && early.IsWorthwhile(from) && await early.OpenAsync(from, end, cancellationToken);
    }

    private bool MustBeVerified(Digest digest, long? length) =>
        source.Options.VerifyFirst || length <= FetchTable.VerifiedFirst || table.Resources.IsSuspect(digest);

    private async ValueTask<Result<IContent>> PassThroughAsync(Digest digest, long? size, BlobUse use, CancellationToken cancellationToken)
    {
        var handling = new CacheHandling { Upstream = source.Key, Forward = ForwardReason.Absent };
        if (size <= FetchTable.VerifiedFirst)
            return new Result<IContent>.Found(await ReadIntoMemoryAsync(digest, size, cancellationToken), handling);
        if (MustBeVerified(digest, size))
            throw new FetchException(FetchFailure.Unavailable, $"no room to verify {digest} before it is sent; free space on the volume");
        var content = await PassingContent.OpenAsync(table.Resources, digest, size, source, use.Kind, cancellationToken);
        return new Result<IContent>.Found(
            content, use.Kind == BlobUseKind.Range ? handling with { Detail = CacheDetail.Unverified } : handling);
    }

    private async Task<BytesContent> ReadIntoMemoryAsync(Digest digest, long? size, CancellationToken cancellationToken)
    {
        using var place = await table.Resources.Places.EnterUnstoredAsync(cancellationToken);
        var sink = new MemorySink(size);
        var shared = table.Resources;
        await using var download = new Download(digest, new(source), sink, shared.IsSuspect(digest), shared.Clock, shared.Logger);
        await download.OpenAsync(cancellationToken);
        await download.RunAsync(cancellationToken);
        if (sink.Matches(digest)) return new(digest, sink.Bytes);
        var what = $"expected digest {digest}, got {sink.Position} bytes with another digest";
        table.Resources.Suspect(digest, download.Endpoint, source, what);
        throw new FetchException(FetchFailure.Wrong, what);
    }

    // Called after vouching. A full volume accepts no link, so the content may be here without one.
    private async ValueTask<Result<IContent>.Found?> FindAsync(
        Digest digest, long? size, BlobUse use, CancellationToken cancellationToken)
    {
        if (await stored.OpenBlobAsync(digest, use, cancellationToken) is Result<IContent>.Found found) return found;
        return await stored.OpenUnlinkedAsync(digest, size, cancellationToken) is { } content
            ? new(content, Storage.CacheHandling.Hit with { Upstream = source.Key })
            : null;
    }

    private CacheHandling Handling(BlobFetch fetch, bool joined, BlobUse use) => fetch.Part.IsVerified && joined
        ? Storage.CacheHandling.Hit with { Upstream = source.Key }
        : new()
        {
            Upstream = source.Key,
            Forward = use.Kind == BlobUseKind.Range ? ForwardReason.Range : ForwardReason.Absent,
            Detail = use.Kind == BlobUseKind.Range && !fetch.Part.IsVerified ? CacheDetail.Unverified
                : fetch.Peer is not null ? CacheDetail.Peer
                : CacheDetail.None,
            Stored = true,
            Collapsed = joined,
        };
}
