using System.Collections.Immutable;
using System.Text;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Storage.Tests;

namespace Gateway.Tests.Repositories;

/// <summary>A gate over real storage, whose policy a test can change as a reload would.</summary>
internal sealed class GateRig(VolumeRig volume) : IAsyncDisposable
{
    public const string Wasm = "application/vnd.wasm.config.v0+json";

    public static readonly Caller Anybody = new(Caller.Anonymous, AccessActions.All);
    public static readonly Caller Pusher = new("ci", AccessActions.All);
    public static readonly Caller Puller = new("node", AccessActions.Pull);

    private readonly Decisions _decisions = new(volume.Volume.DecisionRing);

    public Volume Volume => volume.Volume;

    public static async Task<GateRig> OpenAsync() => new(await VolumeRig.OpenAsync());

    /// <summary>A policy that allows Quay's defaults and, where said, wasm.</summary>
    public static PolicyOptions Types(bool wasm = false) => new()
    {
        Default = Outcome.Allow,
        ArtifactTypes = new()
        {
            Extend = true,
            Allowed = wasm
                ? ImmutableSortedDictionary<string, ImmutableArray<string>>.Empty.Add(Wasm, ["application/wasm"])
                : ImmutableSortedDictionary<string, ImmutableArray<string>>.Empty,
        },
    };

    public RepositoryRouter Router(PolicyOptions? policy = null, PullThroughFactory? upstream = null, GatewayOptions? options = null) =>
        new(
            options ?? new(), Volume.Repositories, Volume.StagedContent, Volume.Origins, Volume.Content,
            upstream ?? ((_, _, _) => throw new InvalidOperationException("no upstream")),
            new(new(policy), _decisions, TimeProvider.System));

    public Repository Repository(string name, PolicyOptions? policy = null) =>
        Router(policy).Route("localhost", null, RepositoryName.Parse(name)).Repository!;

    public static async Task<Descriptor> PushBlobAsync(
        Repository repository, string text, string mediaType = MediaTypes.OciConfig, Caller? caller = null)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var opened = (Answer<Upload>.Found)await repository.OpenUploadAsync(caller ?? Anybody, DigestAlgorithm.Sha256, default);
        await using var upload = opened.Value;
        await upload.AppendAsync(new MemoryStream(bytes), default);
        _ = (Answer<Digest>.Found)await repository.CompleteUploadAsync(caller ?? Anybody, upload, Digest.Of(bytes), default);
        return new(mediaType, Digest.Of(bytes), bytes.Length);
    }

    public static byte[] Manifest(Descriptor config, Descriptor? layer = null, Descriptor? subject = null) => Encoding.UTF8.GetBytes(
        $$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","config":{{Json(config)}},"layers":[{{(layer is null ? "" : Json(layer))}}]{{(subject is null ? "" : $",\"subject\":{Json(subject)}")}}}""");

    public static byte[] Index(params Descriptor[] children) => VolumeRig.Index(children);

    private static string Json(Descriptor d) => VolumeRig.Json(d);

    public static ValueTask<Answer<PushedManifest>> PutAsync(
        Repository repository, string reference, byte[] bytes, string type = MediaTypes.OciManifest, Caller? caller = null) =>
        repository.PutManifestAsync(
            caller ?? Anybody,
            new(Digest.TryParse(reference, out var digest) ? new(digest) : new(TagName.Parse(reference)), [], type, bytes),
            default);

    /// <summary>Pushes an artifact of this config type under a tag.</summary>
    public static async Task<Digest> PushAsync(
        Repository repository, string tag, string configType = MediaTypes.OciConfig, string text = "config")
    {
        var bytes = Manifest(await PushBlobAsync(repository, text, configType));
        return ((Answer<PushedManifest>.Found)await PutAsync(repository, tag, bytes)).Value.Digest;
    }

    public ValueTask DisposeAsync() => volume.DisposeAsync();
}
