using System.Text.Json.Serialization;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations;

/// <summary>The content to remove from the cache.</summary>
/// <param name="What">
/// An image (<c>docker.io/library/nginx:1.27</c>, <c>…@sha256:…</c>), a repository without tag, a digest, an upstream's key, or a glob over
/// names of repositories.
/// </param>
/// <param name="DryRun">Only report.</param>
internal sealed record PurgeRequest(string What, bool DryRun = false);

/// <param name="Name">A repository's name (<see cref="RepositoryRouter.NameOf"/>), or a digest.</param>
/// <param name="Contents">Blobs and manifests.</param>
internal sealed record PurgedItem(string Name, int Contents, long Bytes);

/// <param name="Problem">Why nothing was purged; null if something was, or would be.</param>
internal sealed record PurgeResult(IReadOnlyList<PurgedItem> Purged, bool DryRun, string? Problem)
{
    public long Bytes => Purged.Sum(each => each.Bytes);

    /// <summary>Addresses of the replicas that did not confirm the purge; null if this gateway is alone.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Unconfirmed { get; init; }
}

/// <summary>
/// Removes cached content on an operator's request: links, tags and bytes, so that the next pull fetches it again. Pushed content is never
/// removed, and readers in progress read to the end.
/// </summary>
internal static class Purge
{
    public static async Task<PurgeResult> RunAsync(
        CachedRepositories cached, RepositoryRouter router, PurgeRequest request, CancellationToken cancellationToken)
    {
        if (Digest.TryParse(request.What, out var digest))
            return await RemoveEverywhereAsync(cached, digest, request.DryRun, cancellationToken);
        var all = cached.All().ToArray();
        var whole = all.Where(each => IsMeant(request.What, each, router)).ToArray();
        var image = whole.Length > 0 ? null : ImageReference.Parse(request.What);
        var named = image is null ? [] : Find(router, image, all);
        var hasReference = image is not null && image.Name != request.What;
        var purged = new List<PurgedItem>();
        foreach (var name in (CachedRepositories.Entry[])[.. whole, .. named])
        {
            var contents = hasReference ? Named(cached, name, image!.Reference) : [.. cached.ContentOf(name)];
            if (contents.Count == 0 && (hasReference || !cached.HasLists(name))) continue;
            var bytes = contents.Sum(cached.BytesOf);
            if (!request.DryRun && hasReference) await cached.RemoveAsync(name, contents, cancellationToken);
            else if (!request.DryRun) await cached.RemoveAllAsync(name, cancellationToken);
            purged.Add(new(router.NameOf(name.Upstream, name.Name), contents.Count, bytes));
        }
        const string Hint = "run gateway stats to list cached content, and gateway delete for pushed content";
        var problem = purged.Count > 0 ? null : $"no cached content matches '{request.What}'; {Hint}";
        return new(purged, request.DryRun, problem);
    }

    // By the name that stats prints. An upstream's key, or the folder of an upstream that is no longer configured, means all of its
    // content.
    private static bool IsMeant(string what, CachedRepositories.Entry each, RepositoryRouter router)
    {
        var name = router.NameOf(each.Upstream, each.Name);
        return what == each.Upstream || what == router.UpstreamOf(each.Upstream)?.Key || what == name || Glob.IsMatch(what, name);
    }

    private static CachedRepositories.Entry[] Find(RepositoryRouter router, ImageReference image, CachedRepositories.Entry[] all) =>
        router.Find(image)?.Source is { } source
            ? [.. all.Where(each => each.Name == source.Name && router.UpstreamOf(each.Upstream)?.Key == source.Upstream)]
            : [.. all.Where(each => router.NameOf(each.Upstream, each.Name) == image.Name)];

    private static IReadOnlyCollection<Digest> Named(
        CachedRepositories cached, CachedRepositories.Entry name, Reference reference)
    {
        var digest = cached.DigestOf(name, reference);
        return digest.IsEmpty ? [] : cached.ClosureOf(name, digest);
    }

    private static async Task<PurgeResult> RemoveEverywhereAsync(
        CachedRepositories cached, Digest digest, bool dryRun, CancellationToken cancellationToken)
    {
        var bytes = cached.BytesOf(digest);
        var holders = cached.All()
            .Where(each => cached.ContentOf(each).Contains(digest)).ToArray();
        if (bytes == 0 && holders.Length == 0) return new([], dryRun, $"{digest} is not cached");
        if (!dryRun)
        {
            foreach (var holder in holders) await cached.RemoveAsync(holder, [digest], cancellationToken);
            cached.RemoveBytes(digest);
        }
        return new([new(digest.ToString(), 1, bytes)], dryRun, null);
    }
}
