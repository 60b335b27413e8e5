using System.Globalization;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Fronting;
using Gateway.Operations;
using Gateway.Policy;
using Gateway.Registry;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway;

/// <summary>
/// Makes a snapshot of each configuration, and swaps one reference when it is whole: a request keeps the snapshot that it began with.
/// </summary>
internal sealed class Snapshots(
    StoredRepositories stored, StagedContent staged, Origins origins, IContentLookup stores, CacheRoom room, Storage.Uploads uploads,
    Collector collector, SteadyClock steady, UpstreamRegistries upstreams, BackingFactory backings, Decisions decisions,
    BlobContents contents, ConfigurationInForce inForce, SharedClock clock, ILogger<AccessControl> accessLog)
    : ICurrent<Snapshot>, ICurrent<RepositoryRouter>, ICurrent<AccessControl>, IUpstreamMemory, IDisposable
{
    // One change at a time: a purge must not bring back the configuration that a reload has just replaced.
    private readonly SemaphoreSlim _changing = new(1, 1);
    private volatile Snapshot? _current;

    /// <summary>The snapshot for requests that begin now.</summary>
    public Snapshot Value => _current ?? throw new InvalidOperationException("the gateway has no configuration yet; load one first");

    RepositoryRouter ICurrent<RepositoryRouter>.Value => Value.Router;

    AccessControl ICurrent<AccessControl>.Value => Value.Access;

    /// <summary>
    /// Puts a configuration in force for requests that begin from now on. Throws, and changes nothing, when it cannot be.
    /// </summary>
    public async Task UseAsync(GatewayOptions options)
    {
        await _changing.WaitAsync();
        try
        {
            await upstreams.ReloadAsync(options.Upstreams.Values);
            Limit(options);
            _current = Make(options, _current?.Access.With(options.Access, options.TokenKeyFile)
                ?? new(options.Access, clock, accessLog, options.TokenKeyFile));
            inForce.Set(options);
        }
        finally
        {
            _changing.Release();
        }
    }

    /// <summary>Forgets what upstreams said: new repositories remember nothing of it.</summary>
    public async Task ForgetAsync()
    {
        await _changing.WaitAsync();
        try
        {
            backings.Forget();
            _current = Make(Value.Options, Value.Access);
        }
        finally
        {
            _changing.Release();
        }
    }

    public void Dispose() => _changing.Dispose();

    private Snapshot Make(GatewayOptions options, AccessControl access)
    {
        var behind = backings.Of(options);
        var engine = new PolicyEngine(options.Policy);
        var evaluations = new Evaluations(engine, decisions, steady, contents, new(options, stored, Open));
        var router = new RepositoryRouter(options, stored, staged, origins, stores, Open, evaluations, behind.NamesAsync);
        return new(options, access, router)
        {
            Web = new(options.Routes, upstreams.WebOf),
            PolicyRevision = options.Policy is null ? "none" : engine.Revision.ToString("x16", CultureInfo.InvariantCulture),
        };

        IBacking Open(UpstreamOptions upstream, RepositoryName name, BasicCredentials? shown) =>
            behind.Open(upstream, name, CredentialOf(shown));
    }

    private static Credential? CredentialOf(BasicCredentials? shown) => shown is null ? null : new(shown.Account, shown.Password);

    private void Limit(GatewayOptions options)
    {
        room.Limit(options.Cache.MaxSize, options.Cache.KeepFree);
        collector.Limit(options.Gc.Grace, new(options.Trash.MaxAge, options.Trash.MaxSize));
        var limits = options.Limits;
        uploads.Limits = new(limits.Uploads, limits.UploadsPerRepository, limits.UploadsPerActor, limits.UploadIdle);
    }
}
