using RouteOptions = Gateway.Configuration.RouteOptions;
using System.Collections.Concurrent;
using System.Collections.Immutable;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Which repository a request means.</summary>
/// <param name="Repository">Null when nothing is routed there.</param>
/// <param name="CanonicalName">The name that access rules see: the first route's prefix and the rest, so that <c>?ns=</c>, host and prefix
/// are one name.</param>
internal sealed record Routed(Repository? Repository, RepositoryName CanonicalName)
{
    /// <summary>Key of the upstream it is pulled through from, and the upstream's own name for it; null for built-in storage.</summary>
    public (string Upstream, RepositoryName Name)? Source { get; init; }
}

/// <summary>Makes the backing of an upstream's repository; <see cref="RepositoryRouter"/> asks once per repository.</summary>
/// <param name="shown">What the client showed, for a passthrough upstream; null for nothing.</param>
internal delegate IBacking PullThroughFactory(UpstreamOptions upstream, RepositoryName upstreamName, BasicCredentials? shown);

/// <summary>
/// Chooses a repository by <c>?ns=</c> (a closed lookup key), else virtual host, else path. Immutable but for its cache of repositories; a
/// reload makes a new one.
/// </summary>
/// <param name="upstreamNames">Null for a catalog of built-in repositories alone.</param>
internal sealed partial class RepositoryRouter(
    GatewayOptions options, Volume volume, PullThroughFactory pullThrough, Judge judge, Decisions decisions, TimeProvider clock,
    UpstreamNames? upstreamNames = null)
{
    /// <summary>Repositories kept ready; beyond it all are forgotten and made again on demand. One costs about 1 KB.</summary>
    private const int MaxReady = 10_000;

    private readonly ImmutableArray<RouteOptions> _routes = [.. options.Routes.OrderByDescending(r => r.Prefix.Length)];
    private readonly ConcurrentDictionary<(string? Upstream, string Name), Routed> _ready = new();
    private readonly RecentBlobs _recent = new();

    /// <param name="host">The Host header without port, lower case.</param>
    /// <param name="ns">The <c>ns</c> query parameter, checked to be <c>host[:port]</c>; null when not sent. An unknown one routes
    /// nowhere.</param>
    /// <param name="shown">The client's own credentials, for a passthrough upstream.</param>
    public Routed Route(string host, string? ns, RepositoryName path, BasicCredentials? shown = null)
    {
        if (ns is not null)
        {
            var named = options.Upstreams.Values.FirstOrDefault(u => u.Namespaces.Contains(ns, StringComparer.Ordinal));
            return named is null ? new(null, path) : Ready(named, path.Value, shown);
        }
        var route = _routes.FirstOrDefault(r => r.Hosts.Contains(host, StringComparer.OrdinalIgnoreCase)) ?? ByPrefix(path.Value);
        if (route is null) return new(null, path);
        if (route.Upstream is null) return Ready(null, path.Value);
        var rest = route.Hosts.IsEmpty && route.Prefix.Length > 0 ? path.Value[(route.Prefix.Length + 1)..] : path.Value;
        return Ready(options.Upstreams[route.Upstream], rest, shown);
    }

    /// <summary>
    /// The repository that an image's name means to whoever runs workloads: a path below one of our routes, else a name at a registry that
    /// is an upstream here, else one of Docker Hub's short names. Null when none of these leads to an upstream.
    /// </summary>
    public Routed? Find(ImageReference image)
    {
        var byPath = RepositoryName.TryParse(image.Name, out var path) ? Route("", null, path) : null;
        if (byPath is { Repository: not null, Source: not null }) return byPath;
        var named = RepositoryName.TryParse(image.Path, out var rest) ? Route("", image.Registry, rest) : null;
        return named?.Repository is null ? null : named;
    }

    /// <summary>Repositories that were given this blob lately, the last one first.</summary>
    public IEnumerable<Routed> HoldersOf(Digest blob) => _recent.HoldersOf(blob).Select(name => Route("", null, name));

    private RouteOptions? ByPrefix(string path) => _routes.FirstOrDefault(r =>
        r.Hosts.IsEmpty && (r.Prefix.Length == 0
            || (path.Length > r.Prefix.Length + 1 && path[r.Prefix.Length] == '/' && path.StartsWith(r.Prefix, StringComparison.Ordinal))));

    private Routed Ready(UpstreamOptions? upstream, string rest, BasicCredentials? shown = null)
    {
        // Each client sees it through his own credentials.
        if (upstream?.Auth == UpstreamAuth.Passthrough) return PulledThrough(upstream, rest, shown);
        if (_ready.TryGetValue((upstream?.Key, rest), out var known)) return known;
        if (_ready.Count >= MaxReady) _ready.Clear();
        return _ready.GetOrAdd(
            (upstream?.Key, rest), upstream is null ? BuiltIn(RepositoryName.Parse(rest)) : PulledThrough(upstream, rest, null));
    }

    private Routed BuiltIn(RepositoryName name) =>
        new(new(name, volume.Kept(name), judge, volume, _recent, takesPushes: true, clock), name);

    private Routed PulledThrough(UpstreamOptions upstream, string rest, BasicCredentials? shown)
    {
        var name = RepositoryName.Parse(upstream.Library && !rest.Contains('/', StringComparison.Ordinal) ? $"library/{rest}" : rest);
        // A name that rules could not be asked by is routed nowhere: under another name other rules would hold.
        if (Canonical(upstream, name) is not { } canonical) return new(null, name);
        var front = options.FrontOf(upstream.Key);
        var repository = new Repository(
            canonical, pullThrough(upstream, name, shown), judge, volume, _recent, takesPushes: front is not null, clock,
            takesPushesLater: front is { ForwardsLater: true });
        return new(repository, canonical)
        {
            Source = (upstream.Key, name),
        };
    }

    /// <summary>
    /// The name under the first route of the upstream, or under its key where no route leads to it; null when it is too long.
    /// </summary>
    private RepositoryName? Canonical(UpstreamOptions upstream, RepositoryName name)
    {
        var prefix = options.Routes.FirstOrDefault(r => r.Upstream == upstream.Key)?.Prefix ?? upstream.Key;
        return RepositoryName.TryParse(prefix.Length == 0 ? name.Value : $"{prefix}/{name}", out var canonical) ? canonical : null;
    }

    /// <summary>Removes what has had its time, in every repository that takes pushes.</summary>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        for (string? last = null; ;)
        {
            // A hundred names at a time: the catalog is locked while they are read.
            var page = volume.KeptAfter(last, 100);
            foreach (var name in page.Items) await Ready(null, name.Value).Repository!.SweepAsync(cancellationToken);
            if (!page.More) break;
            last = page.Items[^1].Value;
        }
        foreach (var path in volume.StagedContent.Repositories) await SweepStagedAsync(path, cancellationToken);
    }

    /// <summary>What waits under the policy first; then whatever nobody needs.</summary>
    private async Task SweepStagedAsync(string path, CancellationToken cancellationToken)
    {
        var fronted = options.Upstreams.Values.Where(u => u.Auth != UpstreamAuth.Passthrough && options.FrontOf(u.Key) is not null);
        foreach (var upstream in fronted)
        {
            var folder = volume.Origins.FolderOf(upstream.Key, upstream.Urls) + "/";
            if (!path.StartsWith(folder, StringComparison.Ordinal)) continue;
            if (Ready(upstream, path[folder.Length..]).Repository is { } repository) await repository.SweepAsync(cancellationToken);
        }
        await volume.StagedContent.SweepAsync(volume.StagedContent.Of(path), cancellationToken);
    }

    /// <summary>The decision of this id, while it is remembered.</summary>
    public RecordedDecision? FindDecision(string id) => decisions.Find(id);
}
