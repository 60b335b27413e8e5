using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;
using static Gateway.Policy.Tests.Signatures.Forge;

namespace Gateway.Policy.Tests.Signatures.Forged;

/// <summary>A format of evidence.</summary>
/// <param name="Name">The name in the test's output.</param>
/// <param name="IsSimple">Simple signing; otherwise an in-toto statement in DSSE.</param>
/// <param name="IsBundle">A sigstore bundle; otherwise the layer of cosign 2 with its annotations.</param>
/// <param name="IsReferrer">Whether the manifest names its subject.</param>
/// <param name="IsAttestation">Whether the requirement is an attestation.</param>
/// <param name="IsVersion2">Whether Rekor v2 logs it, and a time stamper proves the time.</param>
internal sealed record Form(
    string Name, bool IsSimple = false, bool IsBundle = false, bool IsReferrer = false, bool IsAttestation = false, bool IsVersion2 = false)
{
    public static readonly Form[] ByKey =
    [
        new("tag", IsSimple: true), new("referrer", IsSimple: true, IsReferrer: true), new("bundle", IsBundle: true, IsReferrer: true),
        new("attestation tag", IsAttestation: true), new("attestation bundle", IsBundle: true, IsReferrer: true, IsAttestation: true),
    ];

    public static readonly Form[] Keyless =
    [
        .. ByKey, new("bundle of Rekor v2", IsBundle: true, IsReferrer: true, IsVersion2: true),
        new("attestation bundle of Rekor v2", IsBundle: true, IsReferrer: true, IsAttestation: true, IsVersion2: true),
    ];
}

/// <summary>
/// Evidence about <see cref="Forge.Subject"/> and the requirement that it satisfies; genuine unless changed, and by key unless a leaf is
/// given.
/// </summary>
internal sealed record Draft(Form Form)
{
    public static readonly ECDsa Release = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    public static readonly ECDsa Second = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    public static readonly ECDsa Stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    public static readonly TestSigstore Sigstore = TestSigstore.Shared;

    // The statement.
    public string Digest { get; init; } = Subject.ToString();
    public string Reference { get; init; } = "registry.example/prod/app";
    public string? Type { get; init; }
    public string Predicate { get; init; } = """{"result":"pass"}""";
    public Func<string, string> Content { get; init; } = static text => text;

    // The signer and the signed bytes.
    public ECDsa Key { get; init; } = Release;
    public ECDsa? Hinted { get; init; }
    public LeafOptions? Leaf { get; init; }
    public TestFulcio? Fulcio { get; init; }
    public HashAlgorithmName Hash { get; init; } = HashAlgorithmName.SHA256;
    public DSASignatureFormat Encoding { get; init; } = DSASignatureFormat.Rfc3279DerSequence;
    public Func<byte[], byte[], byte[]> Over { get; init; } = static (signed, _) => signed;
    public DateTimeOffset At { get; init; } = TestSigstore.Signed;
    public bool IsLogged { get; init; }
    public Func<LogEntry, LogEntry> Entry { get; init; } = static entry => entry;
    public Func<byte[], byte[]> Stamped { get; init; } = static signature => signature;
    public TestStamper? Stamper { get; init; }

    // Changes after signing.
    public Func<byte[], byte[]> Payload { get; init; } = static payload => payload;
    public Func<byte[], byte[]> Signature { get; init; } = static signature => signature;
    public Func<byte[]?, byte[]?> Certificate { get; init; } = static der => der;
    public Func<string, string> Document { get; init; } = static text => text;
    public DateTimeOffset Seen { get; init; } = Forge.Now;

    // The requirement.
    public Draft[] Beside { get; init; } = [];
    public Digest Asked { get; init; } = Subject;
    public int AtLeast { get; init; } = 1;
    public BindReference Binding { get; init; }
    public PredicateCondition[] Where { get; init; } = [];
    public Func<KeyOptions, KeyOptions> Life { get; init; } = static key => key;
    public bool IsTwiceConfigured { get; init; }
    public TlogMode? Tlog { get; init; }
    public KeylessAuthority? Identity { get; init; }
    public DateTimeOffset Now { get; init; } = Forge.Now;

    public EvidenceCheck Ask()
    {
        var verifier = new EvidenceVerifier(Trust());
        var evidence = EvidenceSet.Read([.. Beside.Append(this).Select(static draft => draft.Build())]);
        return Form.IsAttestation
            ? verifier.Attestations(new(Slsa, "release") { AtLeast = AtLeast, Where = [.. Where] }, Asked, evidence, Now)
            : verifier.Signatures(
                new("release") { AtLeast = AtLeast, BindReference = Binding }, Asked, Repository, evidence, Now);
    }

    private TrustOptions Trust()
    {
        var keys = ImmutableSortedDictionary<string, KeyOptions>.Empty.Add("a", Life(Public(Release))).Add("b", Public(Second));
        if (IsTwiceConfigured) keys = keys.Add("c", Public(Release));
        var root = new KeylessRootOptions(Sigstore.Root) { ReadFrom = TestSigstore.Signed, MaxAge = TimeSpan.FromDays(365) };
        var authority = Leaf is null
            ? new AuthorityOptions("release") { AnyOf = [.. keys.Keys], Tlog = Tlog ?? TlogMode.IfPresent }
            : new AuthorityOptions("release")
            {
                Tlog = Tlog ?? TlogMode.Require,
                Keyless = Identity ?? new("root", TestSigstore.Issuer) { Subject = TestSigstore.Workflow },
            };
        return new()
        {
            Keys = keys,
            Keyless = ImmutableSortedDictionary<string, KeylessRootOptions>.Empty.Add("root", root),
            Authorities = ImmutableSortedDictionary<string, AuthorityOptions>.Empty.Add("release", authority),
        };
    }

    private static KeyOptions Public(ECDsa key) => new(VerificationKey.FromSpki(key.ExportSubjectPublicKeyInfo()).Key!);

    private Evidence Build()
    {
        var content = System.Text.Encoding.UTF8.GetBytes(Content(Form.IsSimple ? SimpleText() : StatementText()));
        var signed = Form.IsSimple ? content : Pae(content, EvidenceTypes.InToto);
        using var certificate = Leaf is null ? null : (Fulcio ?? Sigstore.Fulcio).Issue(Key, Leaf);
        var signature = Key.SignData(Over(signed, content), Hash, Encoding);
        var pem = (certificate?.ExportCertificatePem() ?? Key.ExportSubjectPublicKeyInfoPem()) + "\n";
        var material = new SignatureMaterial
        {
            Format = SignatureFormat.Bundle, FirstSeen = Seen, SignedBytes = signed,
            Payload = Payload(content), Signature = Signature(signature), Timestamped = signature,
            Claims = new Claims.SimpleSigning("", null, ""), KeyHint = HintOf(Hinted ?? Key),
            Certificate = Certificate(certificate?.RawData) is { } der ? (ReadOnlyMemory<byte>?)der : NoBytes.Here,
            LogEntries = IsLogged ? [Entry(Enter(content, signed, signature, pem, certificate?.RawData))] : [],
            Timestamps = Form.IsVersion2 ? [(Stamper ?? Sigstore.Stamper).Stamp(Stamped(signature), At)] : [],
        };
        var layer = Form.IsBundle
            ? new Layer(EvidenceTypes.Bundle, Bytes(Document(BundleJson.Of(material))))
            : new Layer(
                Form.IsSimple ? EvidenceTypes.SimpleSigning : EvidenceTypes.Dsse,
                Form.IsSimple ? material.Payload.ToArray() : Bytes(Document(EnvelopeOf(material))), [.. Annotations(material)]);
        return Form.IsReferrer ? Referrer(Seen, layer) : Tagged(Seen, layer);
    }

    private string SimpleText() => System.Text.Encoding.UTF8.GetString(
        Forge.Payload(Digest, Reference, Type ?? EvidenceTypes.SimpleSigningClaim));

    private string StatementText()
    {
        var colon = Digest.IndexOf(':', StringComparison.Ordinal);
        return Statement(
            Type ?? (Form.IsAttestation ? Slsa : EvidenceTypes.SignPredicate), Predicate, Named(Digest[..colon], Digest[(colon + 1)..]));
    }

    /// <summary>DSSE's encoding of the signed bytes.</summary>
    public static byte[] Pae(byte[] content, string type, int? length = null) =>
        [.. Bytes(string.Create(CultureInfo.InvariantCulture, $"DSSEv1 {type.Length} {type} {length ?? content.Length} ")), .. content];

    private LogEntry Enter(byte[] content, byte[] signed, byte[] signature, string pem, byte[]? certificate)
    {
        if (Form.IsVersion2)
            return Sigstore.Rekor2.Append("dsse", "0.0.2", LogBodies.Dsse2(content, signature, certificate!), At);
        return Form.IsSimple
            ? Sigstore.Rekor.Append("hashedrekord", "0.0.1", LogBodies.Rekord(signed, signature, pem), At)
            : Sigstore.Rekor.Append("dsse", "0.0.1", LogBodies.Dsse(content, signature, pem), At);
    }

    private static string EnvelopeOf(SignatureMaterial material) =>
        JsonNode.Parse(BundleJson.Of(material))!["dsseEnvelope"]!.ToJsonString();

    private static IEnumerable<(string, string)> Annotations(SignatureMaterial material)
    {
        yield return ("dev.cosignproject.cosign/signature", Convert.ToBase64String(material.Signature.Span));
        if (material.Certificate is { } der)
            yield return ("dev.sigstore.cosign/certificate", PemEncoding.WriteString("CERTIFICATE", der.Span));
        if (material.LogEntries is [var entry]) yield return ("dev.sigstore.cosign/bundle", LegacyBundle(entry));
    }

    // A key of cosign's bundle annotation, whose spelling cosign defines.
    private const string PayloadKey = "Payload";

    private static string LegacyBundle(LogEntry entry) => new JsonObject
    {
        ["SignedEntryTimestamp"] = entry.SignedEntryTimestamp is { } timestamp ? Convert.ToBase64String(timestamp.Span) : "",
        [PayloadKey] = new JsonObject
        {
            ["body"] = Convert.ToBase64String(entry.CanonicalizedBody.Span), ["integratedTime"] = entry.IntegratedTime?.ToUnixTimeSeconds(),
            ["logIndex"] = entry.LogIndex, ["logID"] = Convert.ToHexStringLower(entry.LogId.Span),
        },
    }.ToJsonString();

    private static string HintOf(ECDsa key) => Convert.ToBase64String(SHA256.HashData(key.ExportSubjectPublicKeyInfo()));

    private static byte[] Bytes(string text) => System.Text.Encoding.UTF8.GetBytes(text);
}
