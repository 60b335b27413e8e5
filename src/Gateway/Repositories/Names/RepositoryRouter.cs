using BitFaster.Caching.Lru;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>The repository of a request.</summary>
/// <param name="Repository">The repository; null when no route leads to one.</param>
/// <param name="CanonicalName">The canonical name, with which rights and rules are evaluated (<see cref="RepositoryNames"/>); without a
/// repository, the path of the request.</param>
internal sealed record Routed(Repository? Repository, RepositoryName CanonicalName)
{
    /// <summary>Key of the upstream it is pulled through from, and the upstream's own name for it; null for built-in storage.</summary>
    public (string Upstream, RepositoryName Name)? Source { get; init; }

    /// <summary>What to tell a client that finds nothing here; null for nothing in particular.</summary>
    public string? Hint { get; init; }
}

/// <summary>Makes the backing of an upstream's repository; <see cref="RepositoryRouter"/> asks once per repository.</summary>
/// <param name="shown">The client's own credentials, for a passthrough upstream; null for none.</param>
internal delegate IBacking PullThroughFactory(UpstreamOptions upstream, RepositoryName upstreamName, BasicCredentials? shown);

/// <summary>
/// Finds the repository of a request (<see cref="RepositoryNames"/> says which it is), and makes it when it is not cached. A reload of the
/// configuration makes a new router.
/// </summary>
/// <param name="upstreamNames">Null for a catalog of built-in repositories alone.</param>
internal sealed partial class RepositoryRouter(
    GatewayOptions options, StoredRepositories stored, StagedContent staged, Origins origins, IContentLookup contents,
    PullThroughFactory pullThrough, Evaluations evaluations, UpstreamNames? upstreamNames = null)
{
    /// <summary>The configuration that the router is made from.</summary>
    public GatewayOptions Options => options;

    /// <summary>Maximum number of repositories that are cached, about 1 KB each. Any other is made again on demand.</summary>
    private const int MaxReady = 10_000;

    private readonly RepositoryNames _names = new(options);
    private readonly ConcurrentLru<(string? Upstream, RepositoryName Name), Routed> _ready = new(MaxReady);
    // Routes warm requests: one lookup, without allocating a name.
    private readonly ConcurrentLru<(string Host, string? Namespace, RepositoryName Path), Routed> _routed = new(MaxReady);
    private readonly RecentBlobs _recent = new();
    private readonly Lazy<Dictionary<string, UpstreamOptions>> _byFolder = new(
        () => options.Upstreams.Values.DistinctBy(u => origins.FolderOf(u.Key, u.Urls))
            .ToDictionary(u => origins.FolderOf(u.Key, u.Urls), StringComparer.Ordinal));

    /// <param name="host">The Host header without port, lower case.</param>
    /// <param name="ns">The <c>ns</c> query parameter, checked to be <c>host[:port]</c>; null when not sent. An unknown one routes
    /// nowhere.</param>
    /// <param name="shown">The client's own credentials, for a passthrough upstream.</param>
    public Routed Route(string host, string? ns, RepositoryName path, BasicCredentials? shown = null)
    {
        var key = (host, ns, path);
        if (_routed.TryGet(key, out var known)) return known;
        if (_names.Find(host, ns, path) is not { } place || Ready(place, shown) is not { } routed)
            return new(null, path) { Hint = _names.HintFor(host, ns, path) };
        // Each client sees a passthrough upstream with its own credentials.
        if (place.Upstream is not { Auth: UpstreamAuth.Passthrough }) _routed.AddOrUpdate(key, routed);
        return routed;
    }

    /// <summary>The repository of this name, which is a path without a host or <c>?ns=</c>.</summary>
    public Routed Route(RepositoryName name) => Route("", null, name);

    /// <summary>An upstream's repository by the upstream's own name for it; null where it cannot be reached.</summary>
    public Routed? Of(UpstreamOptions upstream, RepositoryName name) => Ready(new(upstream, name), null);

    /// <summary>
    /// The upstream's repository that an image's name stands for in a workload. These are tried in order: a path below the prefix of a
    /// route; a name at a registry that is an upstream here, or at this gateway; a path that the route with the empty prefix accepts; a
    /// short name of Docker Hub. Null when none of them leads to an upstream.
    /// </summary>
    public Routed? Find(ImageReference image)
    {
        var isPath = RepositoryName.TryParse(image.Name, out var path);
        var atRegistry = _names.Find("", image.Registry, RepositoryName.Parse(image.Path));
        Place?[] places =
        [
            isPath ? _names.Find(path, byPrefix: true) : null,
            image.Path == image.Name ? null : atRegistry,
            _names.FindOwn(image),
            isPath ? _names.Find(path) : null,
            atRegistry,
        ];
        var ofUpstreams = places.OfType<Place>().Where(place => place.Upstream is not null);
        return ofUpstreams.Select(place => Ready(place, null)).FirstOrDefault(routed => routed is not null);
    }

    /// <summary>
    /// The repository that an image's name stands for at this gateway, with or without the gateway's host before the path.
    /// </summary>
    public Routed? FindHere(ImageReference image) =>
        _names.FindOwn(image) is { } place ? Ready(place, null)
        : RepositoryName.TryParse(image.Name, out var path) ? Route(path)
        : null;

    /// <summary>The upstream whose content is in this folder; null when no upstream is configured with these addresses.</summary>
    public UpstreamOptions? UpstreamOf(string folder) => _byFolder.Value.GetValueOrDefault(folder);

    /// <summary>
    /// The name of a repository whose content is in an upstream's folder: its canonical name, or folder and path when no name leads to it
    /// (any more).
    /// </summary>
    public string NameOf(string folder, RepositoryName name) =>
        UpstreamOf(folder) is { } upstream && _names.NameOf(new(upstream, name)) is { } known ? known.Value : $"{folder}/{name}";

    /// <summary>Repositories that received this blob recently, the latest first.</summary>
    public IEnumerable<Routed> HoldersOf(Digest blob) => _recent.HoldersOf(blob).Select(Route);

    // Null for a repository without a canonical name: under the name of another repository, that one's rights and rules would apply.
    private Routed? Ready(Place place, BasicCredentials? shown)
    {
        // Each client sees it with its own credentials.
        if (place.Upstream is { Auth: UpstreamAuth.Passthrough })
            return _names.NameOf(place) is { } shownAs ? Make(place, shownAs, shown) : null;
        var key = (place.Upstream?.Key, place.Name);
        if (_ready.TryGet(key, out var known)) return known;
        return _names.NameOf(place) is { } name ? _ready.GetOrAdd(key, _ => Make(place, name, null)) : null;
    }

    private Routed Make(Place place, RepositoryName name, BasicCredentials? shown)
    {
        if (place.Upstream is not { } upstream)
            return new(Over(name, stored.BuiltIn(place.Name), takesPushes: true), name) { Hint = _names.HintFor("", null, name) };
        var front = options.FrontOf(upstream.Key);
        var repository = Over(
            name, pullThrough(upstream, place.Name, shown), takesPushes: front is not null, front is { ForwardsLater: true });
        return new(repository, name) { Source = (upstream.Key, place.Name) };
    }

    private Repository Over(RepositoryName name, IBacking backing, bool takesPushes, bool takesPushesLater = false) =>
        new(backing, evaluations.Of(name, backing), contents, _recent, takesPushes, takesPushesLater);

    /// <summary>Removes expired held pushes and orphaned evidence in every repository that accepts pushes.</summary>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        for (string? last = null; ;)
        {
            // 100 names at a time, because the catalog is locked while they are read.
            var page = stored.PushedAfter(last, 100);
            foreach (var name in page.Items) await SweepAsync(new(null, name), cancellationToken);
            if (!page.More) break;
            last = page.Items[^1].Value;
        }
        foreach (var path in staged.Repositories) await SweepStagedAsync(path, cancellationToken);
    }

    /// <summary>Sweeps under the policy first; then removes staged content that nothing needs.</summary>
    private async Task SweepStagedAsync(string path, CancellationToken cancellationToken)
    {
        var slash = path.IndexOf('/', StringComparison.Ordinal);
        if (UpstreamOf(path[..slash]) is { Auth: not UpstreamAuth.Passthrough } upstream && options.FrontOf(upstream.Key) is not null)
            await SweepAsync(new(upstream, RepositoryName.Parse(path.AsSpan(slash + 1))), cancellationToken);
        await staged.SweepAsync(stored.StagedAt(path), cancellationToken);
    }

    // Also a repository that no name leads to any more: its held pushes expire, too.
    private ValueTask SweepAsync(Place place, CancellationToken cancellationToken) =>
        (Ready(place, null) ?? Make(place, place.Name, null)).Repository!.SweepAsync(cancellationToken);

    /// <summary>The decision with this id; null when it is not recorded (any more).</summary>
    public RecordedDecision? FindDecision(string id) => evaluations.Decisions.Find(id);
}
