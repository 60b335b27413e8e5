using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// Whether an upstream vouches for a blob under a repository's name. The repository's link answers this; otherwise the gateway asks the
/// upstream, once for all requests that need the answer. Content that is here under another name is no permission
/// (docs/design/0003-fetch.md, "Vouching").
/// </summary>
internal sealed class BlobVouching(StoredRepository stored, UpstreamRepository source, FetchTable table, TimeProvider clock)
{
    // A caller that must not spend a GET does not share its answer with callers that may spend one.
    private readonly SingleFlight<(Digest Digest, bool MayGet), Vouched> _asking = new();
    private readonly ExpiringMap<Digest, Vouched> _absent = new(4096, clock);
    private readonly ExpiringMap<Digest, Vouched> _unlinked = new(4096, clock);

    // Answers of the upstream whose link is not committed, yet or because the volume is full. They need to last for the requests of one
    // pull.
    private static readonly TimeSpan UnlinkedFor = TimeSpan.FromMinutes(1);

    /// <summary>What is known about a blob of the repository.</summary>
    /// <param name="Exists">Whether the upstream vouches for the blob.</param>
    /// <param name="Size">Bytes; null if unknown.</param>
    /// <param name="Status">The upstream's status; null if it was not asked.</param>
    internal sealed record Vouched(bool Exists, long? Size, int? Status)
    {
        /// <summary>The fetch whose response this is; null otherwise.</summary>
        public BlobFetch? Fetch { get; init; }

        /// <summary>Whether another caller has begun the fetch.</summary>
        public bool IsShared { get; init; }
    }

    /// <summary>Answers from the link, or asks the upstream. Throws <see cref="UpstreamException"/>.</summary>
    public async Task<Vouched> AskAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (await KnownAsync(digest) is { } known) return known;
        return await _asking.Run((digest, true), () => KnownAsync(digest), () => AskUpstreamAsync(digest, mayGet: true)).Result
            .WaitAsync(cancellationToken);
    }

    /// <summary>
    /// As <see cref="AskAsync"/>, for a caller that needs the whole content too: where nothing fetches it yet, the response of its fetch
    /// vouches, which saves the HEAD, and no byte waits for the link. Also throws <see cref="FetchException"/>.
    /// </summary>
    /// <param name="left">Ends when the caller has joined the fetch, or no longer wants to.</param>
    public async Task<Vouched> AskForBodyAsync(Digest digest, Task left, CancellationToken cancellationToken)
    {
        if (await KnownAsync(digest) is { } known) return known;
        var (asking, isShared) = _asking.Run(
            (digest, true), () => KnownAsync(digest),
            async () => await AskByFetchAsync(digest, left) ?? await AskUpstreamAsync(digest, mayGet: true));
        var vouched = await asking.WaitAsync(cancellationToken);
        return isShared && vouched.Fetch is not null ? vouched with { IsShared = true } : vouched;
    }

    // Null if the fetch cannot tell.
    private async Task<Vouched?> AskByFetchAsync(Digest digest, Task left)
    {
        if (await table.TryBeginAsync(digest, source, LinkAsync, CancellationToken.None) is not { } fetch) return null;
        _ = LeaveAsync(fetch, left);
        try
        {
            return await fetch.Vouched && await KnownAsync(digest) is { } vouched ? vouched with { Fetch = fetch } : null;
        }
        // Another repository may have joined the fetch, and its upstream may have answered last: that says nothing about this one.
        catch (FetchException e) when (e.Failure == FetchFailure.Absent && !fetch.Sources.IsOnly(source))
        {
            return null;
        }
        catch (FetchException e) when (e.Failure == FetchFailure.Absent)
        {
            var absent = new Vouched(false, null, e.Status ?? 404);
            _absent.Set(digest, absent, Freshness.OfAbsence(source.Options));
            return absent;
        }
        catch (FetchException e) when (e.Failure is FetchFailure.NoRoom or FetchFailure.OnDisk or FetchFailure.Stopped)
        {
            return null;
        }
    }

    // The fetch keeps a reader until the caller can have joined it: one without readers may be given up.
    private static async Task LeaveAsync(BlobFetch fetch, Task left)
    {
        await ((Task)fetch.Vouched).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await left;
        await fetch.LeaveAsync();
    }

    // The length that a response announces can be wrong, so it is linked only after the digest matched.
    private async Task LinkAsync(BlobFetch fetch, long announced)
    {
        _unlinked.Set(fetch.Digest, new(true, announced, 200), UnlinkedFor);
        try
        {
            await fetch.Verified;
            await LinkAsync(fetch.Digest, new(true, fetch.Part.Length, 200));
        }
        catch (FetchException)
        {
            _unlinked.Remove(fetch.Digest);
        }
        catch (Exception e)
        {
            Log.NotLinked(table.Resources.Logger, e, fetch.Digest);
        }
    }

    private async ValueTask<Vouched?> KnownAsync(Digest digest)
    {
        if (await stored.ReadLinkAsync(digest, LinkKind.Blob, CancellationToken.None) is { } link)
            return new(true, link.Size < 0 ? null : link.Size, null);
        if (_absent.TryGet(digest, out var absent)) return absent;
        return _unlinked.TryGet(digest, out var unlinked) ? unlinked : null;
    }

    /// <summary>Forgets that the upstream lacked a blob: it was pushed through the gateway.</summary>
    public void Pushed(Digest digest) => _absent.Remove(digest);

    /// <summary>
    /// The size of a blob whose link has none; null if the upstream does not say either. Throws <see cref="UpstreamException"/>.
    /// </summary>
    /// <param name="mayGet">Whether the gateway may spend a GET, of which it reads only the headers.</param>
    public async Task<long?> AskSizeAsync(Digest digest, bool mayGet, CancellationToken cancellationToken)
    {
        var asking = _asking.Run((digest, mayGet), () => SizeAsync(digest), () => AskUpstreamAsync(digest, mayGet)).Result;
        return (await asking.WaitAsync(cancellationToken)).Size;
    }

    private async ValueTask<Vouched?> SizeAsync(Digest digest) => await KnownAsync(digest) is { Size: not null } known ? known : null;

    private async Task<Vouched> AskUpstreamAsync(Digest digest, bool mayGet)
    {
        var isUseless = source.Heads.IsUseless(UpstreamNoun.Blob);
        var vouched = isUseless ? null : await HeadAsync(digest);
        if (vouched is not { Exists: true } && !mayGet) return new(true, null, null);
        if (vouched is null)
        {
            vouched = await GetHeadersAsync(digest);
            if (vouched.Exists && !isUseless) source.Heads.Contradicted(UpstreamNoun.Blob);
        }
        else if (vouched.Size is null && mayGet) vouched = await GetHeadersAsync(digest);
        if (!vouched.Exists) _absent.Set(digest, vouched, Freshness.OfAbsence(source.Options));
        else await LinkAsync(digest, vouched);
        return vouched;
    }

    // A full volume accepts no link; that must not fail the pull.
    private async Task LinkAsync(Digest digest, Vouched vouched)
    {
        try
        {
            await stored.CommitAsync(new([new Operation.LinkBlob(digest, vouched.Size ?? -1)]), CancellationToken.None);
            _unlinked.Remove(digest);
        }
        catch (StoreReadOnlyException)
        {
            _unlinked.Set(digest, vouched, UnlinkedFor);
        }
    }

    /// <summary>
    /// Null if the answer to HEAD says nothing: it was refused (ECR Public answers 401 or 403), or was a 404, which Harbor's proxy cache
    /// answers for every blob that it has not fetched yet (goharbor/harbor#22609).
    /// </summary>
    private async Task<Vouched?> HeadAsync(Digest digest)
    {
        try
        {
            await using var response = await source.HeadBlobAsync(digest, CancellationToken.None);
            if (response.Status != 200) return null;
            source.Heads.Worked(UpstreamNoun.Blob);
            return new(true, SizeOf(response, digest), 200);
        }
        catch (UpstreamException e) when (e.IsOfRequest)
        {
            return e.IsOfHead ? null : new(false, null, e.Status);
        }
    }

    // With a content coding, it is unclear whether the length is that of the coded or the decoded content. Some proxies in front of
    // registries state 0 for every HEAD (yusing/godoxy#169).
    private static long? SizeOf(UpstreamResponse response, Digest digest) =>
        response.Codings.IsEmpty && (response.Length != 0 || digest == Digest.Of([], digest.Algorithm)) ? response.Length : null;

    // The body is not read.
    private async Task<Vouched> GetHeadersAsync(Digest digest)
    {
        try
        {
            await using var response = await source.GetBlobAsync(digest, null, null, null, CancellationToken.None);
            return response.Status switch
            {
                200 => new(true, SizeOf(response, digest), 200),
                404 => new(false, null, 404),
                var status => throw source.Misbehaved($"expected 200 or 404 for GET of blob {digest}, got {status}"),
            };
        }
        catch (UpstreamException e) when (e.Failure == UpstreamFailure.Unauthorized)
        {
            return new(false, null, e.Status);
        }
    }
}
