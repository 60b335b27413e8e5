using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using BenchmarkDotNet.Attributes;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;

namespace Gateway.Bench;

/// <summary>The cost of the policy engine once its facts are available: it reads nothing, and caches nothing between evaluations.</summary>
public class Verdicts : IDisposable
{
    private const string Layer = "application/vnd.oci.image.layer.v1.tar+gzip";

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly ECDsa _stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly DateTimeOffset _now = new(2026, 6, 1, 0, 0, 0, TimeSpan.Zero);

    private Question _types = null!;
    private Question _typesOfIndex = null!;
    private Question _oneSignature = null!;
    private Question _lastOfBudget = null!;
    private Question _eachOfIndex = null!;

    private sealed record Question(PolicyEngine Engine, PolicyInput Input);

    [GlobalSetup]
    public void Prepare()
    {
        var image = new Manifest(MediaTypes.OciManifest)
        {
            Config = new(MediaTypes.OciConfig, Digest.Of("config"u8), 6),
            Layers = [.. Enumerable.Range(0, 10).Select(i => new Descriptor(Layer, Named($"{i}"), 1))],
        };
        (Digest Digest, Manifest Manifest)[] images = [.. Enumerable.Range(0, 8).Select(i => (Named($"image {i}"), image))];
        var index = new Manifest(MediaTypes.OciIndex)
        {
            Children = [.. images.Select(i => new Descriptor(MediaTypes.OciManifest, i.Digest, 1))],
        };
        var one = new PolicyInput(RepositoryName.Parse("prod/app"), TagName.Parse("v1"), Stage.Pull, Named("image"), image, [])
        {
            Now = _now,
        };
        var many = one with { Digest = Named("index"), Manifest = index, Descendants = [.. images] };

        var types = new RuleOptions
        {
            Id = "types", Repositories = ["**"], Require = new() { ArtifactTypes = true, Limits = new() { MaxLayers = 100 } },
        };
        var signed = new RuleOptions { Id = "signed", Repositories = ["prod/**"], Require = new() { Signatures = [new("release")] } };
        var eachSigned = signed with { Require = new() { Signatures = [new("release") { Coverage = IndexCoverage.Children }] } };
        _types = Admitted(EngineOf(types), one);
        _typesOfIndex = Admitted(EngineOf(types), many);
        _oneSignature = Admitted(EngineOf(types, signed), WithEvidence(one, strangers: 0, one.Digest));
        _lastOfBudget = Admitted(EngineOf(types, signed), WithEvidence(one, strangers: 63, one.Digest));
        _eachOfIndex = Admitted(EngineOf(types, eachSigned), WithEvidence(many, strangers: 0, [.. images.Select(i => i.Digest)]));
    }

    [Benchmark]
    public object TypesAndSizes() => Evaluate(_types);

    [Benchmark]
    public object TypesAndSizesOfIndexOf8() => Evaluate(_typesOfIndex);

    [Benchmark]
    public object OneSignature() => Evaluate(_oneSignature);

    [Benchmark]
    public object OneSignatureAfter63OfStrangers() => Evaluate(_lastOfBudget);

    [Benchmark]
    public object EightSignaturesOfIndexOf8() => Evaluate(_eachOfIndex);

    public void Dispose()
    {
        _key.Dispose();
        _stranger.Dispose();
        GC.SuppressFinalize(this);
    }

    private static Verdict Evaluate(Question question) => question.Engine.Evaluate(question.Input);

    private static Question Admitted(PolicyEngine engine, PolicyInput input) => engine.Evaluate(input).Admits
        ? new(engine, input)
        : throw new InvalidOperationException($"expected a verdict that admits, got {engine.Evaluate(input).Reasons.FirstOrDefault()}");

    private PolicyEngine EngineOf(params RuleOptions[] rules) => new(new()
    {
        Default = Outcome.Allow, ArtifactTypes = new(), Rules = [.. rules],
        Trust = new()
        {
            Keys = ImmutableSortedDictionary<string, KeyOptions>.Empty.Add(
                "k", new(VerificationKey.Parse(_key.ExportSubjectPublicKeyInfoPem()).Key!)),
            Authorities = ImmutableSortedDictionary<string, AuthorityOptions>.Empty.Add("release", new("release") { AnyOf = ["k"] }),
        },
    });

    private PolicyInput WithEvidence(PolicyInput input, int strangers, params Digest[] subjects) => input with
    {
        Facts = PolicyFacts.None with
        {
            Evidence = subjects.ToImmutableDictionary(
                subject => subject,
                subject => ImmutableArray.CreateRange(
                    Enumerable.Range(0, strangers).Select(i => Signature(subject, _stranger, _now.AddHours(i)))
                        .Prepend(Signature(subject, _key, _now)))),
        },
    };

    private static Evidence Signature(Digest subject, ECDsa by, DateTimeOffset seen)
    {
        var payload = Encoding.UTF8.GetBytes(
            $$"""{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":"{{subject}}"},"type":"cosign container image signature"},"optional":null}""");
        var signature = Convert.ToBase64String(by.SignData(payload, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
        var layer = new Descriptor(EvidenceTypes.SimpleSigning, Digest.Of(payload), payload.Length)
        {
            Annotations = ImmutableSortedDictionary<string, string>.Empty.Add("dev.cosignproject.cosign/signature", signature),
        };
        return new(
            Named(signature), new(MediaTypes.OciManifest) { Config = new(MediaTypes.OciConfig, Digest.Of("{}"u8), 2), Layers = [layer] },
            TagName.Parse($"sha256-{subject.Hex}.sig"), seen,
            ImmutableDictionary<Digest, ReadOnlyMemory<byte>>.Empty.Add(layer.Digest, payload));
    }

    private static Digest Named(string name) => Digest.Of(Encoding.UTF8.GetBytes(name));
}
