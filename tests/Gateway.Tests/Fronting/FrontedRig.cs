using System.Collections.Immutable;
using System.Security.Cryptography;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Fronting;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.PullThrough;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Storage.Tests;
using Gateway.Tests.PullThrough;
using Gateway.Tests.Repositories;
using Gateway.Upstream;
using Microsoft.Extensions.Logging.Abstractions;
using Scripted;
using Xunit;
using RouteOptions = Gateway.Configuration.RouteOptions;

namespace Gateway.Tests.Fronting;

/// <summary>
/// A scripted registry that accepts pushes, and a gate in front of it: its repository <c>app</c> is <c>prod/app</c> here.
/// </summary>
internal sealed class FrontedRig : IAsyncDisposable
{
    public const string Name = "app";
    public static readonly Caller Pusher = GateRig.Pusher;
    public static readonly Caller Puller = GateRig.Puller;

    private readonly VolumeRig _volume;
    private readonly UpstreamRegistries _upstreams;
    private readonly GatewayOptions _options;
    private readonly Turns _turns = new();
    private FetchTable _fetches = null!;
    private ForwardQueue _queue = null!;

    private FrontedRig(VolumeRig volume, ScriptedUpstream hub, UpstreamRegistries upstreams, GatewayOptions options) =>
        (_volume, Hub, _upstreams, _options) = (volume, hub, upstreams, options);

    public ScriptedUpstream Hub { get; }

    public Volume Volume => _volume.Volume;

    private ISharedTags? Shared { get; init; }

    public ECDsa Key { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public Repository Gate { get; private set; } = null!;

    /// <summary>Whether pushed content still has a route to its upstream; takes effect at the next start.</summary>
    public bool HasRoute { get; set; } = true;

    /// <summary>The policy in force; null admits everything.</summary>
    public PolicyOptions? Policy { get; private set; }

    /// <param name="policy">Made with the rig's key; null admits everything.</param>
    /// <param name="later">Whether pushes are answered before the upstream has them.</param>
    /// <param name="shared">What replicas share about tags; null for a gateway alone.</param>
    public static async Task<FrontedRig> StartAsync(
        Func<FrontedRig, PolicyOptions>? policy = null, TagOptions? tags = null, bool later = false, ISharedTags? shared = null)
    {
        var hub = await ScriptedUpstream.StartAsync();
        var upstream = new UpstreamOptions { Key = "hub", Urls = [hub.Url], Namespaces = ["hub"], Tags = tags ?? new() };
        var options = new GatewayOptions
        {
            Upstreams = ImmutableSortedDictionary<string, UpstreamOptions>.Empty.Add("hub", upstream),
            Routes = [new() { Prefix = "prod", Upstream = "hub", Forwards = true, ForwardsLater = later }, new() { Prefix = "" }],
        };
        var upstreams = await UpstreamRegistries.BuildAsync([upstream], TimeProvider.System, NullLoggerFactory.Instance);
        var rig = new FrontedRig(await VolumeRig.OpenAsync(), hub, upstreams, options) { Shared = shared };
        rig.Policy = policy?.Invoke(rig);
        rig.Open();
        return rig;
    }

    /// <summary>A policy that holds pushes without a signature by the rig's key.</summary>
    public static Task<FrontedRig> HoldingAsync(OnMissing onMissing = OnMissing.Quarantine) => StartAsync(rig => rig.Signed(onMissing));

    public PolicyOptions Signed(OnMissing onMissing) => new()
    {
        Default = Outcome.Allow,
        Trust = new()
        {
            Keys = ImmutableSortedDictionary<string, KeyOptions>.Empty.Add(
                "release", new(VerificationKey.Parse(Key.ExportSubjectPublicKeyInfoPem()).Key!)),
            Authorities = ImmutableSortedDictionary<string, AuthorityOptions>.Empty.Add("release", new("release") { AnyOf = ["release"] }),
        },
        Rules = [HoldRig.Rule(onMissing)],
    };

    public void Reload(PolicyOptions? policy)
    {
        Policy = policy;
        Gate = At("prod/app");
    }

    public Repository At(string name)
    {
        var router = new RepositoryRouter(
            _options, Volume.Repositories, Volume.StagedContent, Volume.Origins, Volume.Content, Backing,
            new(new(Policy), new(Volume.DecisionRing), TimeProvider.System));
        return router.Route("localhost", null, RepositoryName.Parse(name)).Repository!;
    }

    private void Open()
    {
        _fetches = new(Volume.Fetches, Volume.Content, TimeProvider.System, NullLogger.Instance, tags: Shared);
        _queue = new(
            Volume.Repositories, Volume.StagedContent, path => HasRoute ? Find(path) : null, TimeProvider.System, NullLogger.Instance);
        Reload(Policy);
        _queue.WakeAll();
    }

    private FrontedRepository Find(string path) =>
        Backing(_options.Upstreams["hub"], RepositoryName.Parse(path.AsSpan("hub/".Length)), null);

    private FrontedRepository Backing(UpstreamOptions upstream, RepositoryName name, BasicCredentials? shown)
    {
        var cached = Volume.Cached("hub", name);
        var pulled = new PullThroughRepository(
            cached, upstream, _upstreams["hub"], name, _fetches, ManifestLimits.Plain, TimeProvider.System);
        var forwarder = new Forwarder(
            Volume.Content, _upstreams["hub"], name, cached.Path, _turns, TimeProvider.System, NullLogger.Instance);
        var staged = Volume.Staged("hub", name);
        return new FrontedRepository(
            Volume.Content, staged, cached, pulled, forwarder, _options.Routes[0].ForwardsLater ? () => _queue.Wake(staged.Path) : null);
    }

    /// <summary>The gate as one client of a passthrough upstream sees it.</summary>
    public Repository As(string username, string password)
    {
        var name = RepositoryName.Parse(Name);
        var cached = Volume.Cached("hub", name);
        var client = new Credential(username, password);
        var view = new PrivateRepositories(_fetches, TimeProvider.System)
            .For(_options.Upstreams["hub"], _upstreams["hub"], name, client, ManifestLimits.Plain, () => cached);
        var forwarder = new Forwarder(Volume.Content, view.Upstream, name, cached.Path, _turns, TimeProvider.System, NullLogger.Instance);
        var backing = new FrontedRepository(Volume.Content, Volume.Staged($"hub~{client.Id}", name), cached, view, forwarder);
        var evaluations = new Evaluations(new(Policy), new(Volume.DecisionRing), TimeProvider.System);
        return new(backing, evaluations.Of(RepositoryName.Parse("prod/app"), backing), Volume.Content, new(), takesPushes: true);
    }

    /// <summary>The pushes that wait to be forwarded, and those that the upstream refused.</summary>
    public PendingForward[] Forwards => [.. _queue.All().Select(f => f.Forward)];

    /// <summary>Why the last attempt to forward failed.</summary>
    public string? Trouble => _queue.TroubleOf("hub/app");

    /// <summary>Waits until every push is forwarded or refused.</summary>
    public Task ArrivedAsync() => Patience.UntilAsync(
        () => Task.FromResult(!Forwards.Any(f => f.IsWaiting)), () => $"the upstream has everything, or refused it; trouble: {Trouble}");

    /// <summary>Makes the upstream answer everything with "unavailable".</summary>
    public void GoDown() => Hub.When(_ => true).Respond(503);

    /// <summary>The staged content of the upstream's <c>app</c>.</summary>
    public StoredRepository Staged => Volume.Staged("hub", RepositoryName.Parse(Name));

    /// <summary>The staged files of content.</summary>
    public string[] StagedBytes =>
        Directory.Exists(Volume.Roots.Staged.Blobs)
            ? Directory.GetFiles(Volume.Roots.Staged.Blobs, "data", SearchOption.AllDirectories)
            : [];

    /// <summary>Pushes an image whose config is this text, with a layer of its own.</summary>
    public async Task<(Digest Digest, Answer<PushedManifest> Answer)> PushAsync(string? tag, string text, Repository? to = null)
    {
        to ??= Gate;
        var config = await GateRig.PushBlobAsync(to, text, caller: Pusher);
        var layer = await GateRig.PushBlobAsync(to, $"layer of {text}", "application/vnd.oci.image.layer.v1.tar", Pusher);
        var bytes = GateRig.Manifest(config, layer);
        return (Digest.Of(bytes), await GateRig.PutAsync(to, tag ?? Digest.Of(bytes).ToString(), bytes, caller: Pusher));
    }

    /// <summary>The same, and requires that the push is accepted.</summary>
    public async Task<Digest> PushedAsync(string? tag, string text)
    {
        var (digest, answer) = await PushAsync(tag, text);
        Assert.IsType<Answer<PushedManifest>.Found>(answer);
        return digest;
    }

    public Task<Answer<PushedManifest>> SignAsync(Digest digest) => HoldRig.SignAsync(digest, Key, $"sha256-{digest.Hex}.sig", null, Gate);

    public Task<Answer<PushedManifest>> ReferAsync(Digest digest) => HoldRig.SignAsync(digest, Key, null, digest, Gate);

    public async Task<Answer<StoredManifest>> GetAsync(Caller caller, string reference) => await Gate.GetManifestAsync(
        caller, Digest.TryParse(reference, out var digest) ? new(digest) : new(TagName.Parse(reference)), default);

    /// <summary>The answer to a caller: a digest, <c>Hidden</c>, <c>Absent</c> or <c>Unavailable</c>.</summary>
    public async Task<string> SeenAsync(Caller caller, string reference) =>
        await GetAsync(caller, reference) is var answer && answer is Answer<StoredManifest>.Found found
            ? found.Value.Digest.ToString()
            : answer.GetType().Name;

    /// <summary>The upstream's digest of a tag.</summary>
    public string? There(string tag) => Hub.DigestOfTag(Name, tag);

    /// <summary>The writes that the upstream received, in order: <c>PUT v1</c>; blobs are <c>PUT blob</c>.</summary>
    public string[] Writes() =>
    [
        .. Hub.Requests.Where(r => r.IsWrite && r.Method is "PUT" or "DELETE" && r.Status is >= 200 and < 300)
            .Select(r => r.IsUpload ? "PUT blob" : $"{r.Method} {r.Reference}"),
    ];

    /// <summary>Restarts after a kill or an orderly stop.</summary>
    /// <param name="before">Runs before the start with the volume's folder, for example to remove files.</param>
    public async Task RestartAsync(bool kill = false, Action<string>? before = null)
    {
        await _queue.DisposeAsync();
        await _fetches.DisposeAsync();
        await (kill ? _volume.KillAsync(before) : _volume.RestartAsync());
        Open();
    }

    public async ValueTask DisposeAsync()
    {
        Key.Dispose();
        await _queue.DisposeAsync();
        await _fetches.DisposeAsync();
        await _volume.DisposeAsync();
        await _upstreams.DisposeAsync();
        await Hub.DisposeAsync();
    }
}
