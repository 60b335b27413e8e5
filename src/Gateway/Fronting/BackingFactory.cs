using Gateway.Configuration;
using Gateway.PullThrough;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.Fronting;

/// <summary>Makes the backings of upstreams' repositories for each configuration. It holds the state that outlives a reload.</summary>
internal sealed class BackingFactory(
    StoredRepositories stored, Origins origins, VolumeContent content, UpstreamRegistries upstreams, FetchTable fetches,
    PrivateRepositories views, AcceptedPushes accepted, TimeProvider clock, ILoggerFactory loggers)
{
    private readonly Turns _turns = new();
    private readonly ILogger _forwardLog = loggers.CreateLogger<Forwarder>();
    private readonly ILogger _catalogLog = loggers.CreateLogger<UpstreamCatalog>();

    public StoredRepositories Stored => stored;

    public Origins Origins => origins;

    public FetchTable Fetches => fetches;

    public PrivateRepositories Views => views;

    public TimeProvider Clock => clock;

    /// <summary>The backings under one configuration, whose upstreams have been loaded.</summary>
    public UpstreamBackings Of(GatewayOptions options) => new(this, options, key => upstreams[key]);

    /// <summary>Clears the in-memory answers of upstreams. Backings made earlier may still hold some.</summary>
    public void Forget()
    {
        fetches.Forget();
        views.Forget();
    }

    /// <summary>The names of an upstream's repositories.</summary>
    public UpstreamCatalog CatalogOf(UpstreamOptions options, IUpstreamRegistry registry) => new(options, registry, clock, _catalogLog);

    /// <summary>Puts the staged root in front of a pull-through backing.</summary>
    /// <param name="stage">The upstream's folder below the staged root.</param>
    public FrontedRepository Front(
        IUpstreamRegistry registry, string stage, RepositoryName name, StoredRepository cached, IBacking pulled, bool isLater)
    {
        var staged = stored.Staged(stage, name);
        var forwarder = new Forwarder(content, registry, name, cached.Path, _turns, clock, _forwardLog);
        return new(content, staged, cached, pulled, forwarder, isLater ? () => accepted.Tell(staged.Path) : null);
    }
}
