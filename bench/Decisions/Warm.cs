using System.Collections.Immutable;
using System.Diagnostics;
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

/// <summary>
/// A pull of a manifest through the gate whose verdict is kept, and the same one without a policy: in one run, turn by turn.
/// </summary>
internal static class Warm
{
    private const int Rounds = 41;
    private const int Pulls = 5_000;

    private static readonly Caller Puller = new("node", AccessActions.Pull);
    private static readonly Caller Pusher = new("ci", AccessActions.All);

    public static async Task MeasureAsync()
    {
        var folder = Directory.CreateTempSubdirectory("gateway-decisions-").FullName;
        try
        {
            await using var volume = await Volume.OpenAsync(folder, TimeProvider.System, NullLogger.Instance, default);
            await volume.IndexOpened;
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var policy = PolicyOf(key);
            var (plain, gated) = (RepositoryOf(volume, null), RepositoryOf(volume, policy));
            var digest = await PushAsync(gated, "v1", await ManifestAsync(gated, "{}", null, "config"));
            await PushAsync(gated, $"sha256-{digest.Hex}.sig", await SignatureAsync(gated, digest, key));
            await CompareAsync("warm pull by digest", plain, gated, new(digest));
            await CompareAsync("warm pull by tag", plain, gated, new(TagName.Parse("v1")));
            var byTag = policy with { Rules = [policy.Rules[0] with { IncludeTags = ["v*"] }] };
            await CompareAsync("warm pull by tag, rule of tags", plain, RepositoryOf(volume, byTag), new(TagName.Parse("v1")));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
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
        var decisions = new Decisions(volume.Ledger);
        var judge = new Judge(new PolicyEngine(policy), decisions, TimeProvider.System);
        var router = new RepositoryRouter(
            new(), volume, (_, _, _) => throw new InvalidOperationException("no upstream"), judge, decisions, TimeProvider.System);
        return router.Route("localhost", null, RepositoryName.Parse("prod/app")).Repository!;
    }

    private static async Task CompareAsync(string name, Repository plain, Repository gated, Reference reference)
    {
        var (without, with) = (new double[Rounds], new double[Rounds]);
        for (var round = -2; round < Rounds; round++)
        {
            var (one, other) = (await TimeAsync(plain, reference), await TimeAsync(gated, reference));
            if (round >= 0) (without[round], with[round]) = (one, other);
        }
        var ratio = with.Zip(without, static (w, o) => w / o).Order().ElementAt(Rounds / 2);
        Array.Sort(without);
        Array.Sort(with);
        Console.WriteLine(
            $"{name,-36} median {with[Rounds / 2],9:F0} ns   without a policy {without[Rounds / 2],9:F0} ns   ratio {ratio:F2}");
    }

    /// <summary>Nanoseconds of one pull.</summary>
    private static async Task<double> TimeAsync(Repository repository, Reference reference)
    {
        var begun = Stopwatch.GetTimestamp();
        for (var i = 0; i < Pulls; i++)
        {
            if (await repository.GetManifestAsync(Puller, reference, default) is not Answer<StoredManifest>.Found)
                throw new InvalidOperationException($"{reference} was expected to be admitted");
        }
        return Stopwatch.GetElapsedTime(begun).TotalNanoseconds / Pulls;
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

    /// <summary>Pushes a blob; what a descriptor says of it.</summary>
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
