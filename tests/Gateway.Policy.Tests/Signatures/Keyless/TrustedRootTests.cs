using System.Text;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Keyless;

/// <summary>trusted_root.json: all of it is read, and the message for each mistake names its place.</summary>
public sealed class TrustedRootTests
{
    private static readonly TestSigstore Sigstore = TestSigstore.Shared;

    [Fact]
    public void Every_pinned_item_is_read()
    {
        var json = Sigstore.RootJson();
        var root = TestSigstore.Read(json);
        Assert.Equal(Digest.Of(Encoding.UTF8.GetBytes(json)), root.Digest);
        Assert.Equal([KeyAlgorithm.Ecdsa, KeyAlgorithm.Ed25519], root.SignatureLogs.Select(l => l.Key.Algorithm));
        Assert.Equal(Sigstore.Rekor.Id, root.SignatureLogs[0].Id.ToArray());
        Assert.Equal("https://rekor.test.example", root.SignatureLogs[0].BaseUrl);
        Assert.Equal(Sigstore.Fulcio.Root.RawData, root.CertificateAuthorities.Single().Certificates[^1].ToArray());
        Assert.Equal(Sigstore.Stamper.Certificate.RawData, root.TimestampAuthorities.Single().Certificates[0].ToArray());
        Assert.Equal(Sigstore.Fulcio.Log.Spki, root.CertificateLogs.Single().Key.Spki.ToArray());
        Assert.Equal("2025-01-01T00:00:00Z to now", root.CertificateLogs[0].ValidFor.ToString());
        Assert.Equal("2025-01-01T00:00:00Z to 2034-12-01T00:00:00Z", root.CertificateAuthorities[0].ValidFor.ToString());
    }

    [Fact]
    public void Unknown_members_of_newer_versions_are_ignored()
    {
        var json = JsonNode.Parse(Sigstore.RootJson())!;
        json["mediaType"] = "application/vnd.dev.sigstore.trustedroot.v0.2+json";
        json["tlogs"]![0]!["operator"] = "test.example";
        json["tlogs"]![0]!["checkpointKeyId"] = new JsonObject { ["keyId"] = "AAAA" };
        Assert.Equal(2, TestSigstore.Read(json.ToJsonString()).SignatureLogs.Length);
    }

    [Theory]
    [InlineData("2025-01-01T00:00:00Z", "2025-01-01T00:00:00.0000000+00:00")]
    [InlineData("2021-12-18T20:59:59.999Z", "2021-12-18T20:59:59.9990000+00:00")]
    [InlineData("2021-12-18T20:59:59.123456789Z", "2021-12-18T20:59:59.1234567+00:00")]
    [InlineData("2021-12-18T20:59:59+02:00", "2021-12-18T18:59:59.0000000+00:00")]
    public void Moments_of_RFC_3339_are_read(string text, string expected) => Assert.Equal(
        expected,
        TestSigstore.Read(With("ctlogs.0.publicKey.validFor.start", $"\"{text}\"")).CertificateLogs[0].ValidFor.Start.ToString("O"));

    private const string MediaType = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";

    public static TheoryData<string, string, string> Mistakes => new()
    {
        { "mediaType", "\"application/json\"", $"mediaType: expected {MediaType}, got 'application/json'" },
        { "mediaType", "null", $"mediaType: expected {MediaType}, got 'none'" },
        { "tlogs", "{}", "tlogs: expected an array, got an object" },
        { "tlogs.0.hashAlgorithm", "\"SHA1\"", "tlogs[0]: hashAlgorithm: expected SHA2_256, got 'SHA1'" },
        { "tlogs.1.logId", "null", "tlogs[1]: logId.keyId: expected 32 bytes, got 0" },
        { "tlogs.0.logId.keyId", "\"AAAA\"", "tlogs[0]: logId.keyId: expected 32 bytes, got 3" },
        { "tlogs.0.publicKey", "null", "tlogs[0]: publicKey: expected one, got none" },
        { "tlogs.0.publicKey.rawBytes", "null", "tlogs[0].publicKey: rawBytes: expected one, got none" },
        { "tlogs.0.publicKey.rawBytes", "\"***\"", "tlogs[0].publicKey.rawBytes: expected a string in base64, got the string '***'" },
        { "tlogs.0.publicKey.rawBytes", "\"AAAA\"", "tlogs[0].publicKey: rawBytes: expected a public key" },
        { "tlogs.0.publicKey.keyDetails", "\"PKIX_ED25519\"", "rawBytes: expected a key of PKIX_ED25519, got one of Ecdsa" },
        { "tlogs.0.publicKey.keyDetails", "\"ML_DSA_65\"", "expected an ECDSA, RSA (PKCS #1 v1.5) or Ed25519 key, got 'ML_DSA_65'" },
        { "tlogs.0.publicKey.keyDetails", "\"PKCS1_RSA_PKCS1V5\"", "tlogs[0].publicKey: rawBytes: expected an RSA key by PKCS #1" },
        { "tlogs.0.publicKey.validFor", "null", "tlogs[0].publicKey: validFor: expected one, got none" },
        { "tlogs.0.publicKey.validFor.start", "null", "tlogs[0].publicKey.validFor: start: expected one, got none" },
        { "tlogs.0.publicKey.validFor.start", "\"2025\"", "start: expected a moment such as 2021-12-18T20:59:59Z, got the string '2025'" },
        { "tlogs.0.publicKey.validFor.start", "\"2025-01-01T00:00:00\"", "expected a moment such as" },
        { "tlogs.0.publicKey.validFor.end", "\"2024-01-01T00:00:00Z\"", "tlogs[0].publicKey.validFor: expected an end after the start" },
        { "certificateAuthorities.0.certChain", "null", "certificateAuthorities[0]: certChain.certificates: expected one, got none" },
        { "certificateAuthorities.0.certChain.certificates", "[]", "certificateAuthorities[0]: certChain.certificates: expected one" },
        { "certificateAuthorities.0.certChain.certificates.1.rawBytes", "\"AAAA\"", "[1]: rawBytes: expected a certificate in DER" },
        { "certificateAuthorities.0.certChain.certificates.0.rawBytes", "null", "rawBytes: expected one, got none" },
        { "timestampAuthorities.0.validFor", "null", "timestampAuthorities[0]: validFor: expected one, got none" },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void Problem_names_the_place_in_the_file(string path, string value, string problem)
    {
        var (root, found) = TrustedRoot.Parse(Encoding.UTF8.GetBytes(With(path, value)));
        Assert.Null(root);
        Assert.Contains(problem, found);
    }

    [Theory]
    [InlineData("", "expected JSON")]
    [InlineData("[]", "expected an object")]
    [InlineData("{\"mediaType\":\"a\",\"mediaType\":\"b\"}", "once, got it twice")]
    [InlineData("{\"MediaType\":\"a\"}", "is mediaType to some readers")]
    [InlineData("{\"mediaType\":\"application/vnd.dev.sigstore.trustedroot+json;version=0.1\"} x", "expected")]
    public void Ambiguous_root_is_refused(string json, string problem) =>
        Assert.Contains(problem, TrustedRoot.Parse(Encoding.UTF8.GetBytes(json)).Problem);

    [Fact]
    public void Too_long_list_is_refused()
    {
        var json = JsonNode.Parse(Sigstore.RootJson())!;
        var log = json["tlogs"]![0]!.ToJsonString();
        json["tlogs"] = JsonNode.Parse("[" + string.Join(",", Enumerable.Repeat(log, 257)) + "]");
        Assert.Contains("expected at most 256 items", TrustedRoot.Parse(Encoding.UTF8.GetBytes(json.ToJsonString())).Problem);
    }

    [Fact]
    public void RSA_key_by_PKCS_1_is_read()
    {
        using var rsa = System.Security.Cryptography.RSA.Create(2048);
        var json = JsonNode.Parse(With("ctlogs.0.publicKey.keyDetails", "\"PKCS1_RSA_PKCS1V5\""))!;
        json["ctlogs"]![0]!["publicKey"]!["rawBytes"] = Convert.ToBase64String(rsa.ExportRSAPublicKey());
        Assert.Equal(rsa.ExportSubjectPublicKeyInfo(), TestSigstore.Read(json.ToJsonString()).CertificateLogs[0].Key.Spki.ToArray());
    }

    [Fact]
    public void Time_range_includes_both_ends()
    {
        var start = TestSigstore.Signed;
        var range = new TimeRange(start, start.AddHours(1));
        Assert.True(range.Contains(start) && range.Contains(start.AddHours(1)));
        Assert.False(range.Contains(start.AddTicks(-1)) || range.Contains(start.AddHours(1).AddTicks(1)));
        Assert.True(new TimeRange(start, null).Contains(DateTimeOffset.MaxValue));
    }

    // The root with one value replaced or added.
    private static string With(string path, string value)
    {
        var json = JsonNode.Parse(Sigstore.RootJson())!;
        var parts = path.Split('.');
        var at = json;
        foreach (var part in parts[..^1]) at = int.TryParse(part, out var index) ? at[index]! : at[part]!;
        at[parts[^1]] = JsonNode.Parse(value);
        return json.ToJsonString();
    }
}
