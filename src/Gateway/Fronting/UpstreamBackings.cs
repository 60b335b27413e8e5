using System.Collections.Immutable;
using Gateway.Configuration;
using Gateway.PullThrough;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.Fronting;

/// <summary>
/// The backings of upstreams' repositories under one configuration. A request that started under it keeps using its upstreams after a
/// reload.
/// </summary>
internal sealed class UpstreamBackings
{
    private readonly BackingFactory _factory;
    private readonly GatewayOptions _options;
    private readonly ImmutableDictionary<string, Source> _sources;

    /// <param name="find">Returns the client of the upstream with a key.</param>
    public UpstreamBackings(BackingFactory factory, GatewayOptions options, Func<string, IUpstreamRegistry> find)
    {
        (_factory, _options) = (factory, options);
        Limits = options.DocumentLimits;
        _sources = options.Upstreams.Values.ToImmutableDictionary(upstream => upstream.Key, upstream => new Source(
            upstream, find(upstream.Key), factory.Origins.FolderOf(upstream.Key, upstream.Urls),
            factory.CatalogOf(upstream, find(upstream.Key))));
    }

    /// <summary>The policy's limits for a document.</summary>
    public ManifestLimits Limits { get; }

    /// <param name="name">The upstream's name of the repository.</param>
    /// <param name="client">The credential that the client sent, for a passthrough upstream; null if it sent none.</param>
    public IBacking Open(UpstreamOptions upstream, RepositoryName name, Credential? client)
    {
        var source = _sources[upstream.Key];
        var cached = _factory.Stored.Cached(source.Folder, name);
        if (upstream.Auth != UpstreamAuth.Passthrough)
        {
            var pulled = new PullThroughRepository(
                cached, source.Options, source.Registry, name, _factory.Fetches, Limits, _factory.Clock);
            return Front(source, source.Registry, source.Folder, name, cached, pulled);
        }
        var view = _factory.Views.For(source.Options, source.Registry, name, client, Limits, () => cached);
        // A push of one client that is not at the upstream yet is visible to that client only.
        return Front(source, view.Upstream, $"{source.Folder}~{client?.Id ?? "nobody"}", name, cached, view);
    }

    /// <summary>
    /// The fronted repository of a path below the staged root; null if no route with <c>push: forward</c> leads to it, or if each client
    /// has a view of its own.
    /// </summary>
    public FrontedRepository? FindFronted(string path)
    {
        foreach (var source in _sources.Values)
        {
            if (!path.StartsWith(source.Folder + "/", StringComparison.Ordinal)) continue;
            return source.Options.Auth == UpstreamAuth.Passthrough
                ? null
                : Open(source.Options, RepositoryName.Parse(path.AsSpan(source.Folder.Length + 1)), null) as FrontedRepository;
        }
        return null;
    }

    /// <summary>The upstream's list of its repositories, in bytewise order, and why the list may be incomplete.</summary>
    public Task<(IReadOnlyList<RepositoryName> Names, string? Warning)> NamesAsync(
        UpstreamOptions upstream, CancellationToken cancellationToken) => _sources[upstream.Key].Catalog.ReadAsync(cancellationToken);

    private IBacking Front(
        Source source, IUpstreamRegistry registry, string stage, RepositoryName name, StoredRepository cached, IBacking pulled) =>
        _options.FrontOf(source.Options.Key) is { } route
            ? _factory.Front(registry, stage, name, cached, pulled, route.ForwardsLater)
            : pulled;

    private sealed record Source(UpstreamOptions Options, IUpstreamRegistry Registry, string Folder, UpstreamCatalog Catalog);
}
