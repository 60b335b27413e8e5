using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Keyless.Sigstore;

/// <summary>The log that a signature is added to, and the kind of the entry.</summary>
internal enum Logged
{
    Rekord,
    Dsse,
    Intoto,
    Rekord2,
    Dsse2,
    Nowhere,
}

/// <summary>
/// A small sigstore for tests: authority, certificate log, both kinds of Rekor and a time stamper, with the trusted root that pins them.
/// cosign accepts its signatures (<see cref="CosignAgreementTests"/>).
/// </summary>
internal sealed class TestSigstore
{
    public const string Issuer = "https://token.actions.githubusercontent.com";
    public const string Workflow = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3";

    /// <summary>SHA-256 of the signed content.</summary>
    public static readonly string Subject = Convert.ToHexStringLower(SHA256.HashData("an image"u8));

    public static readonly DateTimeOffset Issued = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
    public static readonly DateTimeOffset Signed = Issued.AddMinutes(1);
    private static readonly DateTimeOffset Founded = new(2025, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(3650);

    /// <summary>The signed content: a cosign 3 signature of <see cref="Subject"/>.</summary>
    private static readonly string Statement = $$"""
        {"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"{{Subject}}"} }],
         "predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{} }
        """;

    /// <summary>One for all tests that do not change it, because making keys takes time.</summary>
    public static TestSigstore Shared { get; } = new();

    public TestFulcio Fulcio { get; } = new(Founded, Lifetime);

    public TestRekor Rekor { get; } = new("rekor.test.example", TestLogKey.Ecdsa(), isVersion2: false);

    public TestRekor Rekor2 { get; } = new("log2026-1.rekor.test.example", TestLogKey.Ed25519(), isVersion2: true);

    public TestStamper Stamper { get; } = new(Founded, Lifetime);

    /// <summary>The root that pins all of it, read by the reader.</summary>
    public TrustedRoot Root => Read(RootJson());

    public static TrustedRoot Read(string json)
    {
        var (root, problem) = TrustedRoot.Parse(Encoding.UTF8.GetBytes(json));
        Assert.Null(problem);
        return root!;
    }

    public string RootJson() => $$"""
        {"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1",
         "tlogs":[{{Log(Rekor.BaseUrl, Rekor.Key, Rekor.Id)}},{{Log(Rekor2.BaseUrl, Rekor2.Key, Rekor2.Id)}}],
         "certificateAuthorities":[{{Authority("https://fulcio.test.example", Fulcio.Intermediate, Fulcio.Root)}}],
         "ctlogs":[{{Log("https://ct.test.example", Fulcio.Log, SHA256.HashData(Fulcio.Log.Spki))}}],
         "timestampAuthorities":[{{Authority("https://stamp.test.example", Stamper.Certificate, Stamper.Root)}}]}
        """;

    public static string Log(string url, TestLogKey key, byte[] id) => $$"""
        {"baseUrl":"{{url}}","hashAlgorithm":"SHA2_256","publicKey":{"rawBytes":"{{Convert.ToBase64String(key.Spki)}}",
         "keyDetails":"{{key.Details}}","validFor":{"start":"2025-01-01T00:00:00Z"} },"logId":{"keyId":"{{Convert.ToBase64String(id)}}"} }
        """;

    public static string Authority(string uri, params X509Certificate2[] chain) => $$"""
        {"subject":{"organization":"test.example","commonName":"test"},"uri":"{{uri}}","certChain":{"certificates":[
         {{string.Join(",", chain.Select(c => $$"""{"rawBytes":"{{Convert.ToBase64String(c.RawData)}}"}"""))}}]},
         "validFor":{"start":"2025-01-01T00:00:00Z","end":"2034-12-01T00:00:00Z"} }
        """;

    /// <summary>An in-toto statement in DSSE, signed by a new leaf certificate, logged, and time-stamped when requested.</summary>
    public SignatureMaterial Sign(
        Logged logged = Logged.Dsse, LeafOptions? leaf = null, bool? stamp = null, DateTimeOffset? at = null, TestFulcio? fulcio = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = (fulcio ?? Fulcio).Issue(key, leaf ?? new LeafOptions());
        return Sign(key, certificate, logged, stamp, at ?? Signed);
    }

    public SignatureMaterial Sign(ECDsa key, X509Certificate2 certificate, Logged logged, bool? stamp, DateTimeOffset at)
    {
        var payload = Encoding.UTF8.GetBytes(Statement);
        byte[] signed = [.. Encoding.UTF8.GetBytes($"DSSEv1 28 application/vnd.in-toto+json {payload.Length} "), .. payload];
        var signature = key.SignData(signed, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        var isStamped = stamp ?? logged is Logged.Rekord2 or Logged.Dsse2;
        return new SignatureMaterial
        {
            Format = SignatureFormat.Bundle,
            FirstSeen = at,
            SignedBytes = signed,
            Payload = payload,
            Signature = signature,
            Claims = new Claims.Statement("https://sigstore.dev/cosign/sign/v1", [], default),
            Certificate = certificate.RawData,
            LogEntries = Enter(logged, payload, signed, signature, certificate, at) is { } entry ? [entry] : [],
            Timestamped = signature,
            Timestamps = isStamped ? [Stamper.Stamp(signature, at)] : [],
        };
    }

    private LogEntry? Enter(Logged logged, byte[] payload, byte[] signed, byte[] signature, X509Certificate2 certificate, DateTimeOffset at)
    {
        var pem = certificate.ExportCertificatePem() + "\n";
        return logged switch
        {
            Logged.Rekord => Rekor.Append("hashedrekord", "0.0.1", LogBodies.Rekord(signed, signature, pem), at),
            Logged.Dsse => Rekor.Append("dsse", "0.0.1", LogBodies.Dsse(payload, signature, pem), at),
            Logged.Intoto => Rekor.Append("intoto", "0.0.2", LogBodies.Intoto(payload, signature, pem), at),
            Logged.Rekord2 => Rekor2.Append("hashedrekord", "0.0.2", LogBodies.Rekord2(signed, signature, certificate.RawData), at),
            Logged.Dsse2 => Rekor2.Append("dsse", "0.0.2", LogBodies.Dsse2(payload, signature, certificate.RawData), at),
            _ => null,
        };
    }

    /// <summary>The authority that trusts the default leaf and no other.</summary>
    public static AuthorityOptions Trusting(string subject = Workflow, string issuer = Issuer, TlogMode tlog = TlogMode.Require) =>
        new("gha-main") { Tlog = tlog, Keyless = new("test", issuer) { Subject = subject } };

    /// <summary>Calls the code under test.</summary>
    public KeylessCheck Verify(SignatureMaterial material, AuthorityOptions? authority = null, TrustedRoot? root = null) =>
        KeylessVerifier.Verify(material, authority ?? Trusting(), new KeylessRootOptions(root ?? Root), Signed.AddDays(300));
}
