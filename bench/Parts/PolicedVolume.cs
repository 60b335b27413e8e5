using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.Repositories;
using Gateway.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gateway.Bench;

/// <summary>A volume with one signed image, and its repository without a policy, with one, and with a rule that names tags.</summary>
internal sealed class PolicedVolume : IAsyncDisposable
{
    public static readonly TagName Tag = TagName.Parse("v1");

    private static readonly Caller Pusher = new("ci", AccessActions.All);

    private readonly string _folder;
    private readonly Volume _volume;
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    private PolicedVolume(string folder, Volume volume)
    {
        (_folder, _volume) = (folder, volume);
        var policy = PolicyOf(_key);
        (Plain, Gated) = (RepositoryOf(volume, null), RepositoryOf(volume, policy));
        GatedByTag = RepositoryOf(volume, policy with { Rules = [policy.Rules[0] with { IncludeTags = ["v*"] }] });
    }

    public Repository Plain { get; }

    public Repository Gated { get; }

    public Repository GatedByTag { get; }

    /// <summary>The image's manifest.</summary>
    public Digest Digest { get; private set; }

    /// <summary>The backing behind the gate.</summary>
    public StoredRepository Stored => _volume.Repositories.Pushed(RepositoryName.Parse("prod/app"));

    public static async Task<PolicedVolume> OpenAsync()
    {
        var folder = Directory.CreateTempSubdirectory("gateway-parts-").FullName;
        var opened = await Volume.OpenAsync(folder, TimeProvider.System, NullLogger.Instance, default);
        await opened.IndexOpened;
        var volume = new PolicedVolume(folder, opened);
        volume.Digest = await PushAsync(volume.Gated, "v1", await ManifestAsync(volume.Gated, "{}", null, "config"));
        await PushAsync(volume.Gated, $"sha256-{volume.Digest.Hex}.sig", await SignatureAsync(volume.Gated, volume.Digest, volume._key));
        return volume;
    }

    public async ValueTask DisposeAsync()
    {
        await _volume.DisposeAsync();
        _key.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static PolicyOptions PolicyOf(ECDsa key) => new()
    {
        Default = Outcome.Allow, ArtifactTypes = new(),
        Rules =
        [
            new()
            {
                Id = "signed", Repositories = ["prod/**"], OnMissing = OnMissing.Quarantine,
                Require = new() { Signatures = [new("release")] },
            },
        ],
        Trust = new()
        {
            Keys = ImmutableSortedDictionary<string, KeyOptions>.Empty.Add(
                "k", new(VerificationKey.FromSpki(key.ExportSubjectPublicKeyInfo()).Key!)),
            Authorities = ImmutableSortedDictionary<string, AuthorityOptions>.Empty.Add("release", new("release") { AnyOf = ["k"] }),
        },
    };

    private static Repository RepositoryOf(Volume volume, PolicyOptions? policy)
    {
        var router = new RepositoryRouter(
            new(), volume.Repositories, volume.StagedContent, volume.Origins, volume.Content,
            (_, _, _) => throw new InvalidOperationException("no upstream"),
            new(new PolicyEngine(policy), new(volume.DecisionRing), TimeProvider.System));
        return router.Route("localhost", null, RepositoryName.Parse("prod/app")).Repository!;
    }

    private static async Task<Digest> PushAsync(Repository repository, string tag, byte[] bytes)
    {
        var push = new ManifestPush(new(TagName.Parse(tag)), [], MediaTypes.OciManifest, bytes);
        return ((Answer<PushedManifest>.Found)await repository.PutManifestAsync(Pusher, push, default)).Value.Digest;
    }

    private static async Task<byte[]> ManifestAsync(Repository repository, string config, string? layer, string? payload)
    {
        var layers = layer is null ? "" : $"{{{await BlobAsync(repository, payload!)},{layer}}}";
        return Encoding.UTF8.GetBytes(
            $"{{\"schemaVersion\":2,\"mediaType\":\"{MediaTypes.OciManifest}\",\"config\":{{\"mediaType\":\"{MediaTypes.OciConfig}\","
            + $"{await BlobAsync(repository, config)}}},\"layers\":[{layers}]}}");
    }

    private static async Task<byte[]> SignatureAsync(Repository repository, Digest digest, ECDsa key)
    {
        var image = $$"""{"docker-manifest-digest":"{{digest}}"}""";
        var critical = $$"""{"identity":{"docker-reference":""},"image":{{image}},"type":"{{EvidenceTypes.SimpleSigningClaim}}"}""";
        var payload = $$"""{"critical":{{critical}},"optional":null}""";
        var signature = Convert.ToBase64String(
            key.SignData(Encoding.UTF8.GetBytes(payload), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
        var layer = $"\"mediaType\":\"{EvidenceTypes.SimpleSigning}\",\"annotations\":{{\"dev.cosignproject.cosign/signature\":\"{signature}\"}}";
        return await ManifestAsync(repository, "{ }", layer, payload);
    }

    /// <summary>Pushes a blob; returns its descriptor.</summary>
    private static async Task<string> BlobAsync(Repository repository, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var opened = (Answer<Upload>.Found)await repository.OpenUploadAsync(Pusher, DigestAlgorithm.Sha256, default);
        await using var upload = opened.Value;
        await upload.AppendAsync(new MemoryStream(bytes), default);
        _ = (Answer<Digest>.Found)await repository.CompleteUploadAsync(Pusher, upload, Digest.Of(bytes), default);
        return $"\"digest\":\"{Digest.Of(bytes)}\",\"size\":{bytes.Length}";
    }
}
