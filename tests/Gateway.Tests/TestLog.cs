using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;

namespace Gateway.Tests;

/// <summary>A transparency log that gives a time to every entry, as Rekor v1 does.</summary>
internal sealed class TestLog : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public void Dispose() => _key.Dispose();

    private byte[] Id => SHA256.HashData(_key.ExportSubjectPublicKeyInfo());

    /// <summary>The file that pins this log, and nothing else.</summary>
    public string RootJson => $$$"""
        {"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1",
         "tlogs":[{"baseUrl":"https://log.test.example","hashAlgorithm":"SHA2_256","publicKey":{
          "rawBytes":"{{{Convert.ToBase64String(_key.ExportSubjectPublicKeyInfo())}}}","keyDetails":"PKIX_ECDSA_P256_SHA_256",
          "validFor":{"start":"2020-01-01T00:00:00Z"}},"logId":{"keyId":"{{{Convert.ToBase64String(Id)}}}"}}]}
        """;

    public TrustedRoot Root => TrustedRoot.Parse(Encoding.UTF8.GetBytes(RootJson)).Root!;

    /// <summary>What cosign 2 keeps beside a signature by key of what this log said of it.</summary>
    public string LegacyBundle(byte[] signed, byte[] signature, ECDsa signer, DateTimeOffset at)
    {
        var pem = Encoding.UTF8.GetBytes(signer.ExportSubjectPublicKeyInfoPem() + "\n");
        var body = Convert.ToBase64String(JsonSerializer.SerializeToUtf8Bytes(new
        {
            apiVersion = "0.0.1",
            kind = "hashedrekord",
            spec = new
            {
                data = new { hash = new { algorithm = "sha256", value = Hex(SHA256.HashData(signed)) } },
                signature = new
                {
                    content = Convert.ToBase64String(signature), publicKey = new { content = Convert.ToBase64String(pem) },
                },
            },
        }));
        var entry = string.Create(
            CultureInfo.InvariantCulture,
            $$"""{"body":"{{body}}","integratedTime":{{at.ToUnixTimeSeconds()}},"logID":"{{Hex(Id)}}","logIndex":7}""");
        var bundle = _key.SignData(Encoding.UTF8.GetBytes(entry), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        return $$"""{"SignedEntryTimestamp":"{{Convert.ToBase64String(bundle)}}","Payload":{{entry}}}""";
    }

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
}

/// <summary>A signature as cosign 2 pushes it under <see cref="Tag"/>: a manifest, and its two blobs.</summary>
internal sealed record LegacySignature(string Tag, byte[] Payload, byte[] Config, byte[] Manifest)
{
    /// <param name="log">The log that timed the entry, and the time; null for no log.</param>
    /// <param name="asReferrer">Whether the manifest names its subject, as cosign does in its OCI 1.1 mode.</param>
    public static LegacySignature Of(Digest digest, ECDsa key, (TestLog Log, DateTimeOffset At)? log, bool asReferrer = false)
    {
        var payload = JsonSerializer.SerializeToUtf8Bytes(new
        {
            critical = new
            {
                identity = new Dictionary<string, string> { ["docker-reference"] = "" },
                image = new Dictionary<string, string> { ["docker-manifest-digest"] = digest.ToString() },
                type = EvidenceTypes.SimpleSigningClaim,
            },
            optional = (string?)null,
        });
        var signature = key.SignData(payload, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        var bundle = log is { } by ? by.Log.LegacyBundle(payload, signature, key, by.At) : "";
        var config = Encoding.UTF8.GetBytes($$"""{"of":"{{Convert.ToHexStringLower(signature)}}"}""");
        var manifest = JsonSerializer.SerializeToNode(new
        {
            schemaVersion = 2,
            mediaType = MediaTypes.OciManifest,
            config = new { mediaType = MediaTypes.OciConfig, digest = Digest.Of(config).ToString(), size = config.Length },
            layers = new[]
            {
                new
                {
                    mediaType = EvidenceTypes.SimpleSigning,
                    digest = Digest.Of(payload).ToString(),
                    size = payload.Length,
                    annotations = new Dictionary<string, string>
                    {
                        ["dev.cosignproject.cosign/signature"] = Convert.ToBase64String(signature),
                        ["dev.sigstore.cosign/bundle"] = bundle,
                    },
                },
            },
        })!;
        if (asReferrer)
            manifest["subject"] = new JsonObject { ["mediaType"] = MediaTypes.OciManifest, ["digest"] = digest.ToString(), ["size"] = 1 };
        return new($"sha256-{digest.Hex}.sig", payload, config, Encoding.UTF8.GetBytes(manifest.ToJsonString()));
    }
}
