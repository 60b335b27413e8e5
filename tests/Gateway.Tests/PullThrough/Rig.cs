using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.PullThrough;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Upstream;
using Microsoft.Extensions.Logging.Abstractions;
using Scripted;
using Xunit;

namespace Gateway.Tests.PullThrough;

/// <summary>A scripted upstream, a volume of its own, and the real components between them up to the gate.</summary>
internal sealed class Rig : IAsyncDisposable
{
    public const string Name = "library/app";
    public static readonly Caller Caller = new(Caller.Anonymous, AccessActions.Pull);
    private readonly string _folder;
    private readonly List<ScriptedUpstream> _hubs = [];
    private readonly Func<UpstreamOptions, UpstreamOptions> _configure;
    private UpstreamRegistries _upstreams = null!;
    private UpstreamOptions[] _options = [];

    private Rig(string folder, FastClock clock, Func<UpstreamOptions, UpstreamOptions>? configure) =>
        (_folder, Clock, _configure) = (folder, clock, configure ?? (o => o));

    public FastClock Clock { get; }

    /// <summary>The only endpoint of upstream <c>hub</c>, unless the test requests more.</summary>
    public ScriptedUpstream Hub => _hubs[0];

    public ScriptedUpstream OtherHub => _hubs[1];

    public Volume Volume { get; private set; } = null!;

    /// <summary>Upstream <c>hub</c>.</summary>
    public IUpstreamRegistry Registry => _upstreams["hub"];

    /// <summary>Options of upstream <c>hub</c>.</summary>
    public UpstreamOptions Options => _options[0];

    public FetchTable Fetches { get; private set; } = null!;

    /// <summary>The pull-through backing, below the gate.</summary>
    public PullThroughRepository Backing { get; private set; } = null!;

    /// <summary>The gate, as clients see it.</summary>
    public Repository Gate { get; private set; } = null!;

    /// <param name="hubs">Scripted upstreams to start.</param>
    /// <param name="apart">Whether each is an upstream of its own (<c>hub</c>, <c>other</c>) or all are endpoints of one upstream.</param>
    public static async Task<Rig> StartAsync(
        Func<UpstreamOptions, UpstreamOptions>? configure = null, int speed = 1, int hubs = 1, bool apart = false, string? folder = null)
    {
        folder = Directory.CreateDirectory(folder ?? Path.Combine(Path.GetTempPath(), $"gateway-pull-{Guid.NewGuid():N}")).FullName;
        var rig = new Rig(folder, new(speed), configure);
        for (var i = 0; i < hubs; i++) rig._hubs.Add(await ScriptedUpstream.StartAsync($"127.0.0.{i + 1}"));
        rig._options = apart
            ? [.. rig._hubs.Select((hub, i) => rig._configure(new() { Key = i == 0 ? "hub" : "other", Urls = [hub.Url] }))]
            : [rig._configure(new() { Key = "hub", Urls = [.. rig._hubs.Select(h => h.Url)] })];
        rig._upstreams = await UpstreamRegistries.BuildAsync(rig._options, rig.Clock, NullLoggerFactory.Instance);
        await rig.OpenAsync();
        return rig;
    }

    /// <summary>Stops, and starts again on the same volume.</summary>
    public async Task RestartAsync()
    {
        await CloseAsync();
        await OpenAsync();
    }

    /// <param name="name">The upstream's name of the repository.</param>
    /// <param name="upstream">The upstream's key.</param>
    /// <param name="folder">The folder of its links; the upstream's key by default.</param>
    /// <param name="fetches">The gateway's by default.</param>
    /// <param name="limits">Limits for a document; those without a policy by default.</param>
    public PullThroughRepository Pull(
        string name, string upstream = "hub", string? folder = null, FetchTable? fetches = null, ManifestLimits? limits = null)
    {
        var parsed = RepositoryName.Parse(name);
        var stored = Volume.Cached(folder ?? upstream, parsed);
        var options = _options.Single(o => o.Key == upstream);
        return new(stored, options, _upstreams[upstream], parsed, fetches ?? Fetches, limits ?? ManifestLimits.Plain, Clock);
    }

    /// <summary>The repository of upstream <c>hub</c> with a clock of its own, and without memory of what the upstream said.</summary>
    public PullThroughRepository Pull(string name, TimeProvider clock)
    {
        var parsed = RepositoryName.Parse(name);
        return new(Volume.Cached("hub", parsed), Options, Registry, parsed, Fetches, ManifestLimits.Plain, clock);
    }

    /// <summary>The gate under a policy; null admits everything.</summary>
    public Repository Under(PolicyOptions? policy) => new(
        Backing, new Evaluations(new(policy), new(Volume.DecisionRing), Clock).Of(RepositoryName.Parse("hub/" + Name), Backing),
        Volume.Content, new(), takesPushes: false);

    /// <summary>Pulls through the gate for prefetches.</summary>
    public async Task<StoredManifest?> PullAheadAsync(
        string _, RepositoryName _1, Reference reference, CancellationToken cancellationToken) =>
        (await Gate.GetManifestAsync(new("prefetch", AccessActions.Pull), reference, cancellationToken)
            as Answer<StoredManifest>.Found)?.Value;

    public static Digest D(string digest) => Digest.Parse(digest);

    /// <summary>The answer to a client for a tag: its digest, or the kind of answer.</summary>
    public async Task<string> PullTagAsync(string tag = "v1") =>
        await Gate.GetManifestAsync(Caller, new(TagName.Parse(tag)), default) switch
        {
            Answer<StoredManifest>.Found found => found.Value.Digest.ToString(),
            var other => other.GetType().Name.Split('`')[0],
        };

    /// <summary>The same, with its cache handling.</summary>
    public async Task<CacheHandling> ResolveAsync(string tag = "v1") =>
        (await Gate.GetManifestAsync(Caller, new(TagName.Parse(tag)), default)).Handling;

    /// <summary>Opens a blob that must exist.</summary>
    public static async Task<IContent> OpenAsync(IBacking backing, string digest, BlobUse? use = null) =>
        Assert.IsType<Result<IContent>.Found>(await backing.OpenBlobAsync(D(digest), use ?? BlobUse.Whole, default)).Value;

    /// <summary>Reads a whole blob. Throws what its content throws.</summary>
    public static async Task<byte[]> ReadAsync(IBacking backing, string digest)
    {
        await using var content = await OpenAsync(backing, digest);
        return await ReadAsync(content);
    }

    public static async Task<byte[]> ReadAsync(IContent content, long offset = 0, long? count = null)
    {
        var writer = new Body();
        await content.CopyToAsync(writer, offset, count, default);
        return writer.ToArray();
    }

    /// <summary>
    /// Links a blob as a manifest with this size would. The index opens in the background, and loses sizes noted before that.
    /// </summary>
    public async Task LinkAsync(string digest, long size)
    {
        for (Link? link = null; link?.Size != size; link = await Backing.ReadLinkAsync(D(digest), LinkKind.Blob, default))
            await Backing.CommitAsync(new([new Operation.LinkBlob(D(digest), size)]), default);
    }

    public int Gets(string digest) => _hubs.Sum(h => h.Count(r => r.IsGet && r.IsBlob(digest)));

    public int Heads(string digest) => _hubs.Sum(h => h.Count(r => r.IsHead && r.IsBlob(digest)));

    /// <summary>Waits until no fetch is under way; verified content is on disk then.</summary>
    public Task SettleAsync() => UntilAsync(() => Fetches.Count == 0);

    public bool IsStored(string digest) => Volume.FindContent(D(digest), size: -1) is not null;

    /// <summary>The files in <c>fetches/</c>.</summary>
    public string[] Parts => Directory.GetFiles(Path.Combine(_folder, "gateway", "fetches"));

    /// <summary>Waits for a condition; the failure message shows its source text.</summary>
    public static Task UntilAsync(Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string awaited = "") =>
        Patience.UntilAsync(() => Task.FromResult(condition()), () => awaited);

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        await _upstreams.DisposeAsync();
        foreach (var hub in _hubs) await hub.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task OpenAsync()
    {
        Volume = await Volume.OpenAsync(_folder, Clock, NullLogger.Instance, default);
        Fetches = new(Volume.Fetches, Volume.Content, Clock, NullLogger.Instance);
        Backing = Pull(Name);
        Gate = Under(null);
    }

    private async Task CloseAsync()
    {
        await Fetches.DisposeAsync();
        await Volume.DisposeAsync();
    }
}
