using System.Collections.Immutable;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Gateway.Bench;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;

// What one decision costs once its facts are there: nothing is read here, and nothing is remembered from one decision to the next. A pull
// whose verdict is noted asks the engine nothing at all: that one is measured first, in a repository, beside the same one without a policy.
using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
var now = new DateTimeOffset(2026, 6, 1, 0, 0, 0, TimeSpan.Zero);
const string Layer = "application/vnd.oci.image.layer.v1.tar+gzip";
var image = new Manifest(MediaTypes.OciManifest)
{
    Config = new(MediaTypes.OciConfig, Digest.Of("config"u8), 6),
    Layers = [.. Enumerable.Range(0, 10).Select(i => new Descriptor(Layer, Named($"{i}"), 1))],
};
(Digest Digest, Manifest Manifest)[] images = [.. Enumerable.Range(0, 8).Select(i => (Named($"image {i}"), image))];
var index = new Manifest(MediaTypes.OciIndex) { Children = [.. images.Select(i => new Descriptor(MediaTypes.OciManifest, i.Digest, 1))] };

var types = new RuleOptions
{
    Id = "types", Repositories = ["**"], Require = new() { ArtifactTypes = true, Limits = new() { MaxLayers = 100 } },
};
var signed = new RuleOptions { Id = "signed", Repositories = ["prod/**"], Require = new() { Signatures = [new("release")] } };
var eachSigned = signed with { Require = new() { Signatures = [new("release") { Coverage = IndexCoverage.Children }] } };
var question = new PolicyInput(RepositoryName.Parse("prod/app"), TagName.Parse("v1"), Stage.Pull, Named("image"), image, []) { Now = now };
var ofIndex = question with { Digest = Named("index"), Manifest = index, Descendants = [.. images] };

await Warm.MeasureAsync();
Measure("what is needed", types, question, engine => engine.Needs(question) == FactKinds.None);
Measure("types and sizes", types, question, engine => engine.Judge(question).Admits);
Measure("types and sizes of an index of 8", types, ofIndex, engine => engine.Judge(ofIndex).Admits);
Signed("1 signature", signed, question, 0, question.Digest);
Signed("1 signature after 63 of strangers", signed, question, 63, question.Digest);
Signed("8 signatures of an index of 8", eachSigned, ofIndex, 0, [.. images.Select(i => i.Digest)]);

void Signed(string name, RuleOptions rule, PolicyInput input, int strangers, params Digest[] subjects)
{
    var evidence = subjects.ToImmutableDictionary(
        subject => subject,
        subject => ImmutableArray.CreateRange(
            Enumerable.Range(0, strangers).Select(i => Signature(subject, stranger, now.AddHours(i)))
                .Prepend(Signature(subject, key, now))));
    var asked = input with { Facts = PolicyFacts.None with { Evidence = evidence } };
    Measure(name, rule, asked, engine => engine.Judge(asked).Admits);
}

void Measure(string name, RuleOptions rule, PolicyInput input, Func<PolicyEngine, bool> decide)
{
    var engine = new PolicyEngine(new()
    {
        Default = Outcome.Allow, ArtifactTypes = new(), Rules = [types, rule with { Id = "rule" }],
        Trust = new()
        {
            Keys = ImmutableSortedDictionary<string, KeyOptions>.Empty.Add(
                "k", new(VerificationKey.Parse(key.ExportSubjectPublicKeyInfoPem()).Key!)),
            Authorities = ImmutableSortedDictionary<string, AuthorityOptions>.Empty.Add("release", new("release") { AnyOf = ["k"] }),
        },
    });
    for (var i = 0; i < 200; i++)
    {
        if (!decide(engine)) throw new InvalidOperationException($"{name}: {engine.Judge(input).Reasons.FirstOrDefault()}");
    }
    var times = new double[1000];
    var allocated = GC.GetAllocatedBytesForCurrentThread();
    for (var i = 0; i < times.Length; i++)
    {
        var begun = Stopwatch.GetTimestamp();
        decide(engine);
        times[i] = Stopwatch.GetElapsedTime(begun).TotalMicroseconds;
    }
    allocated = (GC.GetAllocatedBytesForCurrentThread() - allocated) / times.Length;
    Array.Sort(times);
    Console.WriteLine($"{name,-36} median {times[500],9:F1} us   p99 {times[990],9:F1} us   {allocated,9} bytes");
}

Evidence Signature(Digest subject, ECDsa by, DateTimeOffset seen)
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

static Digest Named(string name) => Digest.Of(Encoding.UTF8.GetBytes(name));
