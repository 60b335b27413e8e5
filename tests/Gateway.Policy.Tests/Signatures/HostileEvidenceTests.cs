using System.Text;
using System.Text.Json.Nodes;
using Gateway.Policy.Signatures;
using Xunit;
using static Gateway.Policy.Tests.Signatures.Forge;

namespace Gateway.Policy.Tests.Signatures;

/// <summary>Ambiguous content is not a signature, even if the trusted key signed it (policy row 29 and similar).</summary>
public sealed class HostileEvidenceTests
{
    private static readonly TestKey Release = TestKey.Ecdsa();
    private static readonly TestKey Stranger = TestKey.Ecdsa();
    private static readonly TrustOptions Trust = TrustIn.Keys(Release);
    private static readonly string Hex = Subject.Hex.ToString();

    private static string? CodeOf(JsonNode bundle) => Ask(Trust, Referrer(Of(bundle))).Code;

    private static void AssertUnreadable(string bundle) => Assert.Equal(
        ReasonCodes.SigBad, Ask(Trust, Referrer(new Layer(EvidenceTypes.Bundle, Encoding.UTF8.GetBytes(bundle)))).Code);

    [Fact]
    public void Envelope_without_exactly_one_signature_is_refused()
    {
        var two = Bundle(Release);
        two["dsseEnvelope"]!["signatures"]!.AsArray().Add(Bundle(Stranger)["dsseEnvelope"]!["signatures"]![0]!.DeepClone());
        var none = Bundle(Release);
        none["dsseEnvelope"]!["signatures"] = new JsonArray();

        Assert.Equal(ReasonCodes.SigBad, CodeOf(two));
        Assert.Equal(ReasonCodes.SigBad, CodeOf(none));
    }

    [Theory]
    [InlineData("text/plain")]
    [InlineData("application/vnd.in-toto+json ")]
    [InlineData("application/vnd.in-toto+JSON")]
    [InlineData("")]
    public void Other_payload_type_is_refused(string type)
    {
        var bundle = Bundle(Release);
        bundle["dsseEnvelope"] = Envelope(Release, Statement(), type);

        Assert.Equal(ReasonCodes.SigBad, CodeOf(bundle));
    }

    [Fact]
    public void Signature_over_the_bare_payload_or_other_lengths_is_refused()
    {
        const string Start = $"DSSEv1 28 {EvidenceTypes.InToto}";
        foreach (var signed in new[] { Statement(), $"{Start} 0 {Statement()}", $"{Start} {Statement()}" })
        {
            var bundle = Bundle(Release);
            bundle["dsseEnvelope"]!["signatures"]![0]!["sig"] = Convert.ToBase64String(Release.Sign(Encoding.UTF8.GetBytes(signed)));
            Assert.Equal(ReasonCodes.SigNoTrusted, CodeOf(bundle));
        }
    }

    [Fact]
    public void Base64_that_is_not_standard_is_refused()
    {
        var bundle = Bundle(Release, Statement(predicate: """{"a":"???>>>~~~"}"""));
        var payload = (string)bundle["dsseEnvelope"]!["payload"]!;
        bundle["dsseEnvelope"]!["payload"] = payload.Replace('+', '-').Replace('/', '_').TrimEnd('=');

        Assert.NotEqual(payload, (string)bundle["dsseEnvelope"]!["payload"]!);
        Assert.Equal(ReasonCodes.SigBad, CodeOf(bundle));
    }

    [Fact]
    public void Escapes_in_base64_do_not_count_toward_its_limit()
    {
        var bundle = Bundle(Release);
        var plusses = Enumerable.Repeat<byte[]>([0xFB, 0xEF, 0xBE], 11).SelectMany(static b => b).Take(32).ToArray();
        bundle["verificationMaterial"]!["tlogEntries"] = new JsonArray(new JsonObject
        {
            ["logIndex"] = "1", ["logId"] = new JsonObject { ["keyId"] = "AAAA" }, ["canonicalizedBody"] = "AAAA",
            ["inclusionProof"] = new JsonObject { ["rootHash"] = Convert.ToBase64String(plusses) },
        });

        Assert.Contains("\\u002B\\u002B", bundle.ToJsonString(), StringComparison.Ordinal);
        Assert.Null(CodeOf(bundle));
    }

    [Fact]
    public void Too_many_subjects_are_refused()
    {
        var good = Named("sha256", Hex);
        var filler = string.Concat(Enumerable.Range(0, 1023).Select(static i => "," + Named("sha256", $"{i:x64}")));
        var digests = string.Concat(Enumerable.Range(0, 33).Select(static i => $"\"alg{i}\":\"00\","));

        Assert.Null(CodeOf(Bundle(Release, Statement(subjects: good + filler))));
        Assert.Equal(ReasonCodes.SigBad, CodeOf(Bundle(Release, Statement(subjects: $"{good}{filler},{good}"))));
        Assert.Equal(
            ReasonCodes.SigBad,
            CodeOf(Bundle(Release, Statement(subjects: good.Replace("\"sha256\"", digests + "\"sha256\"", StringComparison.Ordinal)))));
    }

    [Fact]
    public void Ambiguous_statement_is_refused()
    {
        string[] statements =
        [
            Statement().Replace("\"predicateType\"", "\"predicateType\":\"x\",\"predicateType\"", StringComparison.Ordinal),
            Statement().Replace("\"predicateType\"", "\"PredicateType\":\"x\",\"predicateType\"", StringComparison.Ordinal),
            Statement().Replace("\"subject\"", "\"ſubject\":[],\"subject\"", StringComparison.Ordinal),
            Statement(subjects: Named("sha256", $"00\",\"sha256\":\"{Hex}")),
            Statement() + "{}", "\uFEFF" + Statement(), Statement().Replace("/v1\",\"subject", "/v9\",\"subject", StringComparison.Ordinal),
            "[]", "", Statement().Replace("\"predicateType\":\"", "\"predicateType\":1,\"x\":\"", StringComparison.Ordinal),
        ];

        Assert.All(statements, static statement => Assert.Equal(ReasonCodes.SigBad, CodeOf(Bundle(Release, statement))));
    }

    [Fact]
    public void Ambiguous_simple_signing_payload_is_refused()
    {
        var good = Encoding.UTF8.GetString(Payload());
        string[] payloads =
        [
            good.Replace("\"image\"", "\"image\":{\"docker-manifest-digest\":\"x\"},\"image\"", StringComparison.Ordinal),
            good.Replace(
                "\"docker-manifest-digest\"", "\"Docker-manifest-digest\":\"x\",\"docker-manifest-digest\"", StringComparison.Ordinal),
            good.Replace("\"critical\"", "\"Critical\"", StringComparison.Ordinal), good + " x", "{}", "null", "",
            good.Replace("docker-manifest-digest", "Docker-manifest-digest", StringComparison.Ordinal),
        ];

        Assert.All(payloads, static payload => Assert.Equal(
            ReasonCodes.SigBad, Ask(Trust, Tagged(SimpleSigning(Release, Encoding.UTF8.GetBytes(payload)))).Code));
    }

    [Fact]
    public void Optional_data_of_the_signer_is_ignored()
    {
        var payload = Encoding.UTF8.GetString(Payload())
            .Replace("\"optional\":null", "\"optional\":{\"env\":\"a\",\"Env\":\"b\",\"deep\":[[[{}]]]}", StringComparison.Ordinal);

        Assert.Null(Ask(Trust, Tagged(SimpleSigning(Release, Encoding.UTF8.GetBytes(payload)))).Code);
    }

    [Fact]
    public void Malformed_bundle_is_refused()
    {
        var good = Bundle(Release).ToJsonString();
        AssertUnreadable("");
        AssertUnreadable("{}");
        AssertUnreadable(good + good);
        AssertUnreadable(good.Replace(".bundle.v0.3", ".bundle.v0.4", StringComparison.Ordinal));
        AssertUnreadable(good.Replace("\"dsseEnvelope\"", "\"dsse_envelope\"", StringComparison.Ordinal));
        AssertUnreadable(good.Replace("\"dsseEnvelope\"", "\"dsseEnvelope\":null,\"dsseEnvelope\"", StringComparison.Ordinal));
        AssertUnreadable(good.Replace("\"publicKey\"", "\"certificate\":{\"rawBytes\":\"AAAA\"},\"publicKey\"", StringComparison.Ordinal));
        AssertUnreadable(good.Replace("\"verificationMaterial\"", "\"other\"", StringComparison.Ordinal));
        AssertUnreadable(
            good.Replace(
                "\"publicKey\":{", "\"x509CertificateChain\":{\"certificates\":[{\"rawBytes\":\"AAAA\"}]},\"x\":{",
                StringComparison.Ordinal));
        AssertUnreadable(new string('[', 100_000));
    }

    [Fact]
    public void Bundle_with_a_messageSignature_is_not_a_signature_of_an_image()
    {
        var bundle = Bundle(Release);
        bundle.Remove("dsseEnvelope");
        var signature = Release.Sign("the signed manifest"u8.ToArray());
        bundle["messageSignature"] = new JsonObject { ["signature"] = Convert.ToBase64String(signature) };

        Assert.Equal(ReasonCodes.SigWrongPredicate, CodeOf(bundle));
    }

    [Fact]
    public void Too_many_or_repeated_log_entries_are_refused()
    {
        static JsonObject Entry(int index) => new()
        {
            ["logIndex"] = $"{index}", ["logId"] = new JsonObject { ["keyId"] = "AAAA" }, ["canonicalizedBody"] = "AAAA",
            ["inclusionProof"] = new JsonObject { ["rootHash"] = Convert.ToBase64String(new byte[32]) },
        };
        JsonObject With(params JsonObject[] entries)
        {
            var bundle = Bundle(Release);
            bundle["verificationMaterial"]!["tlogEntries"] = new JsonArray([.. entries]);
            return bundle;
        }
        var noProof = Entry(1);
        noProof.Remove("inclusionProof");

        Assert.Equal(ReasonCodes.SigBad, CodeOf(With(Entry(1), Entry(1))));
        Assert.Equal(ReasonCodes.SigBad, CodeOf(With([.. Enumerable.Range(0, 33).Select(Entry)])));
        Assert.Equal(ReasonCodes.SigBad, CodeOf(With(noProof)));
    }

    [Theory]
    [InlineData("dev.cosignproject.cosign/signature", "not base64!")]
    [InlineData("dev.sigstore.cosign/certificate", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")]
    [InlineData("dev.sigstore.cosign/bundle", "{\"SignedEntryTimestamp\":1}")]
    [InlineData("dev.sigstore.cosign/bundle", "{\"Payload\":{\"body\":\"AAAA\",\"body\":\"AAAA\",\"logID\":\"00\"}}")]
    [InlineData("dev.sigstore.cosign/rfc3161timestamp", "{}")]
    public void Malformed_annotation_makes_the_signature_unreadable(string key, string value)
    {
        var good = SimpleSigning(Release);
        var layer = good with { Annotations = [.. good.Annotations.Where(a => a.Key != key), (key, value)] };

        Assert.Equal(ReasonCodes.SigBad, Ask(Trust, Tagged(layer)).Code);
    }

    [Fact]
    public void Signature_in_the_annotation_that_only_the_text_of_the_spec_names_is_ignored()
    {
        var good = SimpleSigning(Release);
        var layer = good with { Annotations = [("dev.sigstore.cosign/signature", good.Annotations[0].Value)] };

        Assert.Contains("expected the annotation", Ask(Trust, Tagged(layer)).Why, StringComparison.Ordinal);
    }

    // Row 52.
    [Fact]
    public void Text_of_a_signer_is_shown_on_one_printable_line()
    {
        var check = Ask(Trust, Referrer(Of(Bundle(Release, Statement("evil\\u001b[2J\\r\\nX: y" + new string('x', 5000))))));

        Assert.Equal(ReasonCodes.SigWrongPredicate, check.Code);
        Assert.All(check.Why, static c => Assert.InRange(c, ' ', '~'));
        Assert.True(check.Why.Length <= 400);
    }
}
