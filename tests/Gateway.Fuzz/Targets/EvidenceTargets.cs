using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;

namespace Gateway.Fuzz.Targets;

/// <summary>What the targets of evidence share.</summary>
internal static class Evidences
{
    public static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 1, 0, TimeSpan.Zero);

    /// <summary>The pinned root that kept keyless bundles were made under.</summary>
    public static TrustedRoot Root { get; } = TrustedRoot.Parse(Corpus.Of(nameof(TrustedRootTarget), "root.json").Single()).Root!;

    /// <summary>What comes of a reader that has one way to refuse.</summary>
    public static string Answer<T>(Func<T> read)
    {
        try
        {
            return read()?.GetType().Name ?? "nothing";
        }
        catch (ManifestProblemException e)
        {
            return $"{e.Problem.Code} {e.Problem.Message}";
        }
        catch (UnusableSignatureException e)
        {
            return $"{e.Code} {e.Message}";
        }
    }

    /// <summary>Bytes of the layers that real signers made.</summary>
    public static IEnumerable<byte[]> Blobs(Func<string, bool> holds) =>
        from fixture in Corpus.Fixtures()
        from evidence in JsonNode.Parse(fixture)!["evidence"]!.AsArray()
        from blob in evidence!["blobs"]!.AsObject()
        let bytes = Convert.FromBase64String((string)blob.Value!)
        where holds(Encoding.UTF8.GetString(bytes))
        select bytes;

    /// <summary>The manifests of evidence that real signers made.</summary>
    public static IEnumerable<byte[]> Manifests() =>
        from fixture in Corpus.Fixtures()
        from evidence in JsonNode.Parse(fixture)!["evidence"]!.AsArray()
        select Encoding.UTF8.GetBytes((string)evidence!["manifest"]!);

    public static EvidenceLayer Layer(string type, byte[] bytes, ImmutableSortedDictionary<string, string>? annotations = null) => new(
        Digest.Of("e"u8), 0, new(type, Digest.Of(bytes), bytes.Length)
        {
            Annotations = annotations ?? ImmutableSortedDictionary<string, string>.Empty,
        },
        new(MediaTypes.OciManifest) { Subject = new(MediaTypes.OciManifest, Digest.Of("s"u8), 1) }, Now, bytes);
}

/// <summary>Sigstore bundles with all that is in them: envelope, certificates, log entries, time stamps; then verified, keyless.</summary>
public sealed class BundleTarget : FuzzTarget
{
    private static readonly AuthorityOptions Authority = new("a")
    {
        Tlog = TlogMode.Require, Keyless = new("test", "https://token.actions.githubusercontent.com") { SubjectPattern = "**" },
    };

    protected override IEnumerable<byte[]> Inputs =>
        Evidences.Blobs(static text => text.Contains("verificationMaterial", StringComparison.Ordinal));

    protected override int MaxLength => 32 * 1024;

    protected override string[] Words =>
    [
        "\"certificate\":{\"rawBytes\":\"\"}", "\"tlogEntries\":[]", "\"timestampVerificationData\":{}", "\"signatures\":[]",
        "\"keyid\":\"\"",
        "\"messageSignature\":{}", "\"integratedTime\":\"253402300800\"", "\"logIndex\":\"-1\"", "\"hashes\":[", EvidenceTypes.Bundle,
    ];

    protected override string Try(byte[] input)
    {
        var found = LayerReader.Read(Evidences.Layer(EvidenceTypes.Bundle, input));
        if (found.Material is not { } material) return $"{found.Problem}";
        if (material.Certificate is null) return $"key {material.LogEntries.Length} {material.Timestamps.Length}";
        var check = KeylessVerifier.Verify(material, Authority, new KeylessRootOptions(Evidences.Root), Evidences.Now.AddDays(300));
        return $"keyless {check}";
    }
}

/// <summary>
/// Signatures of cosign 2 and podman: a payload, and everything else in annotations. The input is a JSON object of strings.
/// </summary>
public sealed class LegacySignatureTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs =>
        from bytes in Evidences.Manifests()
        from layer in JsonNode.Parse(bytes)!["layers"]!.AsArray()
        where layer!["annotations"] is not null
        let all = layer["annotations"]!.DeepClone().AsObject()
        select Encoding.UTF8.GetBytes(With(all, layer!["mediaType"]!).ToJsonString());

    protected override int MaxLength => 16 * 1024;

    protected override string[] Words =>
    [
        "dev.cosignproject.cosign/signature", "dev.sigstore.cosign/certificate", "dev.sigstore.cosign/chain", "dev.sigstore.cosign/bundle",
        "dev.sigstore.cosign/rfc3161timestamp", "-----BEGIN CERTIFICATE-----", "{\\\"SignedEntryTimestamp\\\":",
        EvidenceTypes.SimpleSigning,
    ];

    protected override string Try(byte[] input)
    {
        if (Read(input) is not { } all) return "no strings";
        var type = all.GetValueOrDefault("type") ?? EvidenceTypes.SimpleSigning;
        var found = LayerReader.Read(Evidences.Layer(type, Encoding.UTF8.GetBytes(all.GetValueOrDefault("payload") ?? "{}"), all));
        return $"{found.Problem} {found.Material?.LogEntries.Length} {found.Material?.Chain.Length}";
    }

    private static JsonObject With(JsonObject annotations, JsonNode type)
    {
        annotations["type"] = type.DeepClone();
        return annotations;
    }

    private static ImmutableSortedDictionary<string, string>? Read(byte[] input)
    {
        try
        {
            return System.Text.Json.JsonSerializer.Deserialize<Dictionary<string, string>>(input)?
                .Where(static pair => pair.Value is not null).ToImmutableSortedDictionary(StringComparer.Ordinal);
        }
        catch (System.Text.Json.JsonException)
        {
            return null;
        }
    }
}

/// <summary>What signed payloads say: simple signing, and in-toto statements with the predicates that rules ask about.</summary>
public sealed class PayloadTarget : FuzzTarget
{
    private static readonly ImmutableArray<PredicateCondition> Where =
        [new("$.builder.id", new(TextComparison.Exact, "x")), new("$.items[*]['a b']", new(TextComparison.Glob, "a*"))];

    protected override IEnumerable<byte[]> Inputs =>
        Evidences.Blobs(static text => text.Contains("\"critical\"", StringComparison.Ordinal));

    protected override string[] Words =>
    [
        "\"digest\":{\"sha256\":\"ab\"}", "\"optional\":", "\"predicate\":", "\\ud800", "\"critical\":", "\"subject\":[]"
    ];

    protected override string Try(byte[] input)
    {
        var simple = Evidences.Answer(() => PayloadReader.SimpleSigning(input));
        var statement = Evidences.Answer(() => Predicate.ProblemOf(PayloadReader.Statement(input).Predicate, Where) ?? "met");
        return $"{simple} {statement}";
    }
}

/// <summary>DSSE envelopes by themselves.</summary>
public sealed class EnvelopeTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs =>
        Evidences.Blobs(static text => text.StartsWith("{\"payload", StringComparison.Ordinal));

    protected override string[] Words =>
    [
        "\"signatures\":[{\"sig\":\"AAAA\"},{\"sig\":\"AAAA\"}]", "\"payloadType\":\"text/plain\"", "\"keyid\":null"
    ];

    protected override string Try(byte[] input) => Evidences.Answer(() =>
    {
        var envelope = Envelope.Read(input);
        Assert.True(envelope.SignedBytes().AsSpan().EndsWith(envelope.Payload.Span));
        return envelope;
    });
}

/// <summary>Entries of transparency logs: as annotations, as bodies, and the checkpoints of their proofs.</summary>
public sealed class LogEntryTarget : FuzzTarget
{
    protected override string[] Words =>
    [
        "\u2014 ", "\n\n", "\"spec\":", "0.0.2", "intoto", "hashedrekord", "\"content\":", "\"logIndex\":-1", "253402300800"
    ];

    protected override string Try(byte[] input)
    {
        var text = TextOf(input);
        var entry = Evidences.Answer(() => LogEntryReader.ReadAnnotation(text));
        var stamp = Evidences.Answer(() => LogEntryReader.ReadTimestampAnnotation(text).Length > 0 ? "stamp" : "empty");
        return $"{entry} {stamp} {Evidences.Answer(() => LogEntryBody.Read(input))} {Checkpoint.Read(text)?.Size > 0}";
    }
}

/// <summary>Certificates and time stamps in DER, which come with signatures.</summary>
public sealed class CertificateTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs =>
    [
        .. Evidences.Root.CertificateAuthorities.SelectMany(a => a.Certificates).Select(c => c.ToArray())
    ];

    protected override string[] Words => ["\u0001\u0001\u00ff", "0\u0082\u0001\0"];

    protected override string Try(byte[] input)
    {
        var stamp = TimeStamp.Verify(input, "signed"u8, Evidences.Root).Why;
        using var certificate = Certificates.Load(input);
        if (certificate is null) return $"none {stamp}";
        using (var same = X509CertificateLoader.LoadCertificate(input)) Assert.Equal(same.Thumbprint, certificate.Thumbprint);
        var (identity, problem) = CertificateIdentity.Read(certificate);
        Assert.NotEqual(identity is null, problem is null);
        try
        {
            var path = Certificates.PathTo(Evidences.Root.CertificateAuthorities[0], certificate, Evidences.Now, Certificates.CodeSigning);
            var timestamps = CertificateTimestamps.ProblemOf(certificate, path.IssuerKey ?? [], Evidences.Root);
            return $"{problem} {timestamps} {path.Why} {Certificates.ProblemOfUse(certificate, Certificates.CodeSigning)}";
        }
        // KeylessVerifier takes these for a certificate that cannot be read.
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            return $"unreadable {stamp}";
        }
    }
}

/// <summary>Public keys in PEM and DER, as configuration and logs hold them.</summary>
public sealed class KeyTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs =>
        Corpus.Fixtures().Select(static f => (string?)JsonNode.Parse(f)!["key"]).OfType<string>().Select(Encoding.UTF8.GetBytes);

    protected override string[] Words =>
    [
        "-----BEGIN PUBLIC KEY-----\n", "-----END PUBLIC KEY-----", "-----BEGIN RSA PUBLIC KEY-----", "MCowBQYDK2VwAyEA"
    ];

    protected override string Try(byte[] input)
    {
        var (key, problem) = VerificationKey.Parse(TextOf(input));
        Assert.NotEqual(key is null, problem is null);
        _ = VerificationKey.FromSpki(input);
        if (key is null) return problem!;
        Assert.Equal(key.Fingerprint, VerificationKey.FromSpki(key.Spki.Span).Key?.Fingerprint);
        Assert.False(key.Verify("m"u8, input, SignatureHash.Sha256));
        return $"{key.Algorithm}";
    }
}

/// <summary>Pinned roots.</summary>
public sealed class TrustedRootTarget : FuzzTarget
{
    protected override int MaxLength => 16 * 1024;

    protected override string[] Words =>
    [
        "\"tlogs\":[]", "\"start\":\"0001-01-01T00:00:00Z\"", "\"end\":\"9999-12-31T23:59:59.999999999Z\"", "PKIX_ED25519",
        "PKCS1_RSA_PKCS1V5"
    ];

    protected override string Try(byte[] input)
    {
        var (root, problem) = TrustedRoot.Parse(input);
        Assert.NotEqual(root is null, problem is null);
        return problem ?? $"{root!.SignatureLogs.Length} {root.CertificateAuthorities.Length}";
    }
}

/// <summary>Places in predicates, as rules name them: path, a line break, and the predicate.</summary>
public sealed class PredicateTarget : FuzzTarget
{
    protected override IEnumerable<byte[]> Inputs => Texts(
        "$.a.b[0]['c d'][*]\n{\"a\":{\"b\":[{\"c d\":[1,true,\"x\"]}]}}", "$[*][*][*]\n[[[1]]]");

    protected override string[] Words => ["[*]", "['", "']", "$.", "[0]", "[99999999999]"];

    protected override int MaxLength => 2048;

    protected override string Try(byte[] input)
    {
        var text = TextOf(input);
        var line = text.IndexOf('\n', StringComparison.Ordinal);
        var path = line < 0 ? text : text[..line];
        if (PredicatePath.Parse(path) is null) return "no path";
        var predicate = Encoding.UTF8.GetBytes(line < 0 ? "{}" : text[(line + 1)..]);
        return Predicate.ProblemOf(predicate, [new(path, new(TextComparison.Exact, "x"))]) ?? "met";
    }
}
