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
using Gateway.Storage.Tests;

namespace Gateway.Tests.Repositories;

/// <summary>A clock whose day moves when it is told to; its timers are the system's.</summary>
internal sealed class HoldClock : TimeProvider
{
    private TimeSpan _ahead;

    /// <summary>Whether every timer fires at once, so that every time limit is exceeded immediately.</summary>
    public bool IsLate { get; set; }

    public void Advance(TimeSpan by) => _ahead += by;

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + _ahead;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (IsLate) callback(state);
        return base.CreateTimer(callback, state, IsLate ? Timeout.InfiniteTimeSpan : dueTime, period);
    }
}

/// <summary>A gate whose policy holds what is not signed, keys to sign with, and a clock that moves when it is told to.</summary>
internal sealed class HoldRig : IAsyncDisposable
{
    public static readonly Caller Pusher = GateRig.Pusher;
    public static readonly Caller Puller = GateRig.Puller;

    private readonly VolumeRig _volume;

    private HoldRig(VolumeRig volume) => _volume = volume;

    public ECDsa Key { get; private init; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public ECDsa WrongKey { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public HoldClock Clock { get; } = new();

    public Volume Volume => _volume.Volume;

    /// <summary>The policy in force; a reload puts another in its place.</summary>
    public PolicyOptions? Policy { get; set; }

    public Repository Repository { get; private set; } = null!;

    public static async Task<HoldRig> OpenAsync(OnMissing onMissing = OnMissing.Quarantine, params Stage[] stages)
    {
        var rig = new HoldRig(await VolumeRig.OpenAsync());
        rig.Reload(rig.Signed(onMissing, stages));
        return rig;
    }

    /// <summary>A gateway of several on one bucket.</summary>
    /// <param name="key">The key of the signatures that count, which all gateways have.</param>
    public static async Task<HoldRig> OpenSharedAsync(IBucket bucket, ECDsa key, OnMissing onMissing, params Stage[] stages)
    {
        var rig = new HoldRig(await SharedRig.OpenAsync(bucket)) { Key = key };
        rig.Reload(rig.Signed(onMissing, stages));
        return rig;
    }

    /// <summary>Requires a signature by <see cref="Key"/> in every repository below <c>prod</c>.</summary>
    public PolicyOptions Signed(OnMissing onMissing, params Stage[] stages) => new()
    {
        Default = Outcome.Allow,
        Trust = Trust(revokedAt: null),
        Rules = [Rule(onMissing, stages)],
        Quarantine = new() { MaxPendingPerRepo = 4 },
    };

    public static RuleOptions Rule(OnMissing onMissing, params Stage[] stages) => new()
    {
        Id = "signed",
        Repositories = ["prod/**"],
        Stages = [.. stages],
        Require = new() { Signatures = [new("release")] },
        OnMissing = onMissing,
    };

    public TrustOptions Trust(DateTimeOffset? revokedAt, DateTimeOffset? retiredAt = null) => new()
    {
        Keys = ImmutableSortedDictionary<string, KeyOptions>.Empty.Add(
            "release-2026",
            new(VerificationKey.Parse(Key.ExportSubjectPublicKeyInfoPem()).Key!) { RevokedAt = revokedAt, RetiredAt = retiredAt }),
        Authorities = ImmutableSortedDictionary<string, AuthorityOptions>.Empty.Add("release", new("release") { AnyOf = ["release-2026"] }),
    };

    public void Reload(PolicyOptions? policy)
    {
        Policy = policy;
        Repository = At("prod/app");
    }

    /// <param name="clock">The clock of this repository; null for <see cref="Clock"/>.</param>
    public Repository At(string name, TimeProvider? clock = null) =>
        Router(clock).Route("localhost", null, RepositoryName.Parse(name)).Repository!;

    /// <summary>A new repository over this backing, under the policy in force.</summary>
    public Repository Over(string name, IBacking backing) => new(
        backing, new Evaluations(new(Policy), new(Volume.DecisionRing), Clock).Of(RepositoryName.Parse(name), backing), Volume.Content,
        new(), takesPushes: true);

    /// <summary>The repositories that the catalog lists to a caller with the right to pull all of them.</summary>
    public async Task<string[]> CatalogAsync(Caller caller) =>
        [.. (await Router().CatalogAsync(_ => caller, null, 100, default)).Page.Items.Select(static name => name.Value)];

    public RepositoryRouter Router(TimeProvider? clock = null)
    {
        return new(
            new(), Volume.Repositories, Volume.StagedContent, Volume.Origins, Volume.Content, NoUpstream,
            new(new(Policy), new(Volume.DecisionRing), clock ?? Clock, signatures: new(new(), Volume.Repositories, NoUpstream)));

        static IBacking NoUpstream(UpstreamOptions upstream, RepositoryName name, BasicCredentials? shown) =>
            throw new InvalidOperationException("no upstream");
    }

    /// <summary>Every file of the repository's folder, by its path there.</summary>
    public Dictionary<string, byte[]> Files() => Files(_volume.Path);

    private static Dictionary<string, byte[]> Files(string volume) =>
        Directory.EnumerateFiles(FolderIn(volume), "*", SearchOption.AllDirectories)
            .ToDictionary(file => Path.GetRelativePath(FolderIn(volume), file), File.ReadAllBytes);

    private static string FolderIn(string volume) => Path.Combine(volume, "docker/registry/v2/repositories/prod/app");

    /// <summary>
    /// Kills the gateway, and loses some of the files written to the repository's folder since then; the journal is not lost.
    /// </summary>
    public async Task KillAsync(Dictionary<string, byte[]> since, Func<string, bool> isLost)
    {
        await _volume.KillAsync(volume =>
        {
            foreach (var (path, bytes) in Files(volume).Where(f => isLost(f.Key)))
            {
                var file = Path.Combine(FolderIn(volume), path);
                if (!since.TryGetValue(path, out var before)) File.Delete(file);
                else if (!before.AsSpan().SequenceEqual(bytes)) File.WriteAllBytes(file, before);
            }
            foreach (var (path, bytes) in since.Where(f => isLost(f.Key)))
            {
                var file = Path.Combine(FolderIn(volume), path);
                Directory.CreateDirectory(Path.GetDirectoryName(file)!);
                if (!File.Exists(file)) File.WriteAllBytes(file, bytes);
            }
        });
        Reload(Policy);
    }

    public async Task RestartAsync(bool kill)
    {
        await (kill ? _volume.KillAsync() : _volume.RestartAsync());
        Reload(Policy);
    }

    /// <summary>Pushes an image whose config is this text, with one layer of its own.</summary>
    public async Task<(Digest Digest, Answer<PushedManifest> Answer)> PushAsync(string? tag, string text, Repository? to = null)
    {
        to ??= Repository;
        var config = await GateRig.PushBlobAsync(to, text, caller: Pusher);
        var layer = await GateRig.PushBlobAsync(to, $"layer of {text}", "application/vnd.oci.image.layer.v1.tar", Pusher);
        var bytes = GateRig.Manifest(config, layer);
        return (Digest.Of(bytes), await PutAsync(to, tag ?? Digest.Of(bytes).ToString(), bytes));
    }

    public static Digest LayerOf(string text) => Digest.Of(Encoding.UTF8.GetBytes($"layer of {text}"));

    public static async Task<Answer<PushedManifest>> PutAsync(
        Repository to, string reference, byte[] bytes, string type = MediaTypes.OciManifest) =>
        await GateRig.PutAsync(to, reference, bytes, type, Pusher);

    /// <summary>Signs as cosign 2 does: a payload that names the digest, under the digest's own tag.</summary>
    public Task<Answer<PushedManifest>> SignAsync(Digest digest, ECDsa? key = null, Repository? to = null) =>
        SignAsync(digest, key ?? Key, $"sha256-{digest.Hex}.sig", null, to ?? Repository);

    /// <summary>Signs as above, with an entry of a transparency log that proves the time.</summary>
    public async Task<Answer<PushedManifest>> SignAsync(Digest digest, TestLog log, DateTimeOffset at, Repository? to = null)
    {
        var signature = LegacySignature.Of(digest, Key, (log, at));
        to ??= Repository;
        await GateRig.PushBlobAsync(to, Encoding.UTF8.GetString(signature.Config), caller: Pusher);
        await GateRig.PushBlobAsync(to, Encoding.UTF8.GetString(signature.Payload), EvidenceTypes.SimpleSigning, Pusher);
        return await PutAsync(to, signature.Tag, signature.Manifest);
    }

    /// <summary>Signs with a referrer, as cosign does in its OCI 1.1 mode.</summary>
    public Task<Answer<PushedManifest>> ReferAsync(Digest digest, ECDsa? key = null) =>
        SignAsync(digest, key ?? Key, null, digest, Repository);

    public static async Task<Answer<PushedManifest>> SignAsync(Digest digest, ECDsa key, string? tag, Digest? subject, Repository to)
    {
        var (bytes, _) = await SignatureAsync(digest, key, subject, to);
        return await PutAsync(to, tag ?? Digest.Of(bytes).ToString(), bytes);
    }

    public static async Task<(byte[] Manifest, Digest Payload)> SignatureAsync(Digest digest, ECDsa key, Digest? subject, Repository to)
    {
        var payload = $$"""{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":"{{digest}}"},"type":"{{EvidenceTypes.SimpleSigningClaim}}"},"optional":null}""";
        var signature = key.SignData(Encoding.UTF8.GetBytes(payload), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        var config = await GateRig.PushBlobAsync(to, $"{{}} {Convert.ToHexString(signature)[..16]}", caller: Pusher);
        var layer = await GateRig.PushBlobAsync(to, payload, EvidenceTypes.SimpleSigning, Pusher);
        var about = subject is { } s ? $$""","subject":{"mediaType":"{{MediaTypes.OciManifest}}","digest":"{{s}}","size":1}""" : "";
        var layers = $$$"""{"mediaType":"{{{EvidenceTypes.SimpleSigning}}}","digest":"{{{layer.Digest}}}","size":{{{layer.Size}}},"annotations":{"dev.cosignproject.cosign/signature":"{{{Convert.ToBase64String(signature)}}}"}}""";
        var first = $$"""{"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","config":{"mediaType":"{{MediaTypes.OciConfig}}",""";
        return (
            Encoding.UTF8.GetBytes($$"""{{first}}"digest":"{{config.Digest}}","size":{{config.Size}}},"layers":[{{layers}}]{{about}}}"""),
            layer.Digest);
    }

    public async Task<Answer<StoredManifest>> GetAsync(Caller caller, string reference) => await Repository.GetManifestAsync(
        caller, Digest.TryParse(reference, out var digest) ? new(digest) : new(TagName.Parse(reference)), default);

    /// <summary>What a caller gets: a digest, <c>Hidden</c> or <c>Absent</c>.</summary>
    public async Task<string> SeenAsync(Caller caller, string reference) =>
        await GetAsync(caller, reference) is var answer && answer is Answer<StoredManifest>.Found found
            ? found.Value.Digest.ToString()
            : answer.GetType().Name;

    public async Task<bool> SeesBlobAsync(Caller caller, Digest digest)
    {
        if (await Repository.OpenBlobAsync(caller, digest, BlobUse.Whole, default) is not Answer<IContent>.Found found) return false;
        await found.Value.DisposeAsync();
        return true;
    }

    public async Task<string[]> TagsAsync(Caller caller) =>
        await Repository.TagsAsync(caller, null, 1000, default) is Answer<Page<TagName>>.Found found
            ? [.. found.Value.Items.Select(t => t.Value).Where(t => !t.StartsWith("sha256-", StringComparison.Ordinal))]
            : [];

    public async ValueTask DisposeAsync()
    {
        Key.Dispose();
        WrongKey.Dispose();
        await _volume.DisposeAsync();
    }
}
