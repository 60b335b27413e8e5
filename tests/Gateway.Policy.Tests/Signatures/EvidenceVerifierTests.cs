using System.Text;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using Gateway.Policy.Signatures;
using Xunit;
using static Gateway.Policy.Tests.Signatures.Forge;

namespace Gateway.Policy.Tests.Signatures;

/// <summary>Which signatures count, for what, and since when.</summary>
public sealed class EvidenceVerifierTests
{
    private static readonly TestKey Release = TestKey.Ecdsa();
    private static readonly TestKey Second = TestKey.Rsa();
    private static readonly TestKey Third = TestKey.Ecdsa();
    private static readonly TestKey Stranger = TestKey.Ecdsa();
    private static readonly TrustOptions Trust = TrustIn.Keys(Release);

    private static KeyOptions Key(TestKey key) => new(key.Public);

    [Fact]
    public void Without_evidence_there_is_no_signature()
    {
        var check = Ask(Trust);

        Assert.Equal((ReasonCodes.SigNone, "no signature by release"), (check.Code, check.Why));
    }

    [Fact]
    public void Every_format_counts_when_the_rule_names_none()
    {
        Assert.True(Ask(Trust, Tagged(SimpleSigning(Release))).IsSatisfied);
        Assert.True(Ask(Trust, Referrer(SimpleSigning(Release))).IsSatisfied);
        Assert.True(Ask(Trust, Referrer(Of(Bundle(Release)))).IsSatisfied);
        Assert.True(
            Ask(Trust, Tagged(new Layer(EvidenceTypes.Dsse, Encoding.UTF8.GetBytes(Envelope(Release, Statement()).ToJsonString()))))
                .IsSatisfied);
    }

    [Fact]
    public void Bundle_of_cosign_3_0_0_without_a_predicate_counts() =>
        Assert.True(Ask(Trust, Referrer(Of(Bundle(Release, Statement(predicate: null))))).IsSatisfied);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Older_bundles_count(int version)
    {
        var bundle = Bundle(Release);
        bundle["mediaType"] = $"application/vnd.dev.sigstore.bundle+json;version=0.{version}";

        Assert.True(Ask(Trust, Referrer(Of(bundle))).IsSatisfied);
    }

    [Fact]
    public void One_good_signature_among_bad_ones_is_enough()
    {
        var check = Ask(
            Trust, Tagged(SimpleSigning(Stranger), SimpleSigning(Release, Payload(Other.ToString())), SimpleSigning(Release)),
            Referrer(Of(Bundle(Stranger))));

        Assert.True(check.IsSatisfied);
    }

    // Row 24.
    [Theory]
    [InlineData("registry.example/prod/app", true)]
    [InlineData("registry.example:5000/prod/app", true)]
    [InlineData("localhost/prod/app:v1", true)]
    [InlineData("prod/app", true)]
    [InlineData("prod/app@sha256:0000000000000000000000000000000000000000000000000000000000000000", true)]
    [InlineData("registry.example/dev/app", false)]
    [InlineData("registry.example/prod/app/x", false)]
    [InlineData("registry.example/evil/prod/app", false)]
    [InlineData("evil/prod/app", false)]
    [InlineData("registry.example/Prod/app", false)]
    public void Signature_made_for_another_repository_does_not_count_where_it_is_bound(string reference, bool counts)
    {
        var evidence = Tagged(SimpleSigning(Release, Payload(reference: reference)));

        foreach (var bound in new[] { BindReference.Optional, BindReference.Required })
            Assert.Equal(
                counts ? null : ReasonCodes.SigWrongReference,
                Ask(Trust, new SignatureRequirementOptions("release") { BindReference = bound }, evidence).Code);
        Assert.True(Ask(Trust, evidence).IsSatisfied);
    }

    [Fact]
    public void Bundle_without_a_repository_counts_unless_the_repository_is_required()
    {
        var evidence = Referrer(Of(Bundle(Release)));

        Assert.True(
            Ask(Trust, new SignatureRequirementOptions("release") { BindReference = BindReference.Optional }, evidence).IsSatisfied);
        Assert.Equal(
            ReasonCodes.SigWrongReference,
            Ask(Trust, new SignatureRequirementOptions("release") { BindReference = BindReference.Required }, evidence).Code);
    }

    // Row 26: the scheme is the configured key's.
    [Fact]
    public void Signature_by_another_scheme_than_the_key_has_does_not_count()
    {
        var pss = TestKey.Rsa(padding: System.Security.Cryptography.RSASignaturePadding.Pss);
        var sha1 = TestKey.Rsa(hash: System.Security.Cryptography.HashAlgorithmName.SHA1);

        foreach (var key in new[] { pss, sha1 })
        {
            var finding = Assert.Single(Ask(TrustIn.Keys(key), Tagged(SimpleSigning(key))).Findings);
            Assert.Equal(ReasonCodes.SigBad, finding.Result.Code);
        }
    }

    [Fact]
    public void Key_inside_the_artifact_is_not_used()
    {
        var bundle = Bundle(Stranger);
        bundle["verificationMaterial"]!["publicKey"] = new JsonObject
        {
            ["hint"] = Hint(Release), ["rawBytes"] = Convert.ToBase64String(Stranger.Public.Spki.Span),
        };

        Assert.Equal(ReasonCodes.SigBad, Assert.Single(Ask(Trust, Referrer(Of(bundle))).Findings).Result.Code);
    }

    // Row 28.
    [Theory]
    [InlineData(Slsa)]
    [InlineData("https://cyclonedx.org/bom")]
    [InlineData("https://sigstore.dev/cosign/sign/v1 ")]
    [InlineData("https://sigstore.dev/cosign/sign/v2")]
    public void Attestation_by_the_trusted_key_does_not_count_as_a_signature(string predicateType) =>
        Assert.Equal(ReasonCodes.SigWrongPredicate, Ask(Trust, Referrer(Of(Bundle(Release, Statement(predicateType))))).Code);

    [Fact]
    public void Simple_signing_of_another_type_does_not_count() =>
        Assert.Equal(ReasonCodes.SigWrongPredicate, Ask(Trust, Tagged(SimpleSigning(Release, Payload(type: "note")))).Code);

    [Fact]
    public void Attestation_and_signature_do_not_replace_each_other()
    {
        var (signature, attestation) = (Referrer(Of(Bundle(Release))), Referrer(Of(Bundle(Release, Statement(Slsa)))));

        Assert.Equal(ReasonCodes.AttNone, AskAttested(Trust, [], signature).Code);
        Assert.True(AskAttested(Trust, [], signature, attestation).IsSatisfied);
        Assert.Equal(ReasonCodes.AttNone, AskAttested(Trust, [], Tagged(SimpleSigning(Release))).Code);
    }

    [Fact]
    public void Attestation_of_another_type_is_named_in_the_message()
    {
        var older = Referrer(Of(Bundle(Release, Statement("https://slsa.dev/provenance/v0.2"))));

        Assert.EndsWith(
            "; there is one of 'https://slsa.dev/provenance/v0.2'", AskAttested(Trust, [], older).Why, StringComparison.Ordinal);
        Assert.DoesNotContain("there is one", AskAttested(Trust, [], Referrer(Of(Bundle(Release)))).Why, StringComparison.Ordinal);
    }

    [Fact]
    public void One_matching_attestation_of_several_is_enough()
    {
        var where = new[] { new PredicateCondition("$.result", new(TextComparison.Exact, "pass")) };
        Evidence Attest(TestKey key, string result) => Referrer(Of(Bundle(key, Statement(Slsa, $$"""{"result":"{{result}}"}"""))));

        Assert.True(AskAttested(Trust, where, Attest(Release, "fail"), Attest(Release, "pass")).IsSatisfied);
        Assert.Equal(ReasonCodes.AttPredicateFailed, AskAttested(Trust, where, Attest(Release, "fail"), Attest(Stranger, "pass")).Code);
        Assert.Equal(ReasonCodes.SigNoTrusted, AskAttested(Trust, where, Attest(Stranger, "pass")).Code);
    }

    // Rows 29 and 18: the claim is compared byte for byte.
    [Fact]
    public void Subject_must_be_named_exactly()
    {
        var hex = Subject.Hex.ToString();
        string[] wrong =
        [
            Named("sha256", hex.ToUpperInvariant()), Named("sha512", hex), Named("SHA256", hex), Named("sha256", " " + hex),
            Named("sha256", hex[..63]),
            Named("gitCommit", hex), Named("sha256:" + hex, ""),
            """{"name":"sha256:HEX","digest":{}}""".Replace("HEX", hex, StringComparison.Ordinal),
        ];

        Assert.All(wrong, subject => Assert.Equal(
            ReasonCodes.SigWrongDigest, Ask(Trust, Referrer(Of(Bundle(Release, Statement(subjects: subject))))).Code));
        Assert.All(new[] { Subject.ToString().ToUpperInvariant(), hex, $"{Subject} ", "" }, digest => Assert.Equal(
            ReasonCodes.SigWrongDigest, Ask(Trust, Tagged(SimpleSigning(Release, Payload(digest)))).Code));
    }

    // Row 33: an overwritten signature counts from when it was first seen, and its newest copy is not a second signature.
    [Fact]
    public void Rewritten_signature_counts_once_since_it_was_first_seen()
    {
        var signature = SimpleSigning(Release);
        var early = Tagged(Now.AddDays(-10), signature);
        var again = Tagged(Now, signature, SimpleSigning(Stranger));
        var trust = TrustIn.Keys(("key-1", Key(Release) with { RetiredAt = Now.AddDays(-5) }));

        Assert.Equal(ReasonCodes.SigKeyRetired, Ask(trust, again).Code);
        Assert.True(Ask(trust, again, early).IsSatisfied);
        Assert.Equal(2, EvidenceSet.Read([early, again]).Found.Length);
    }

    [Fact]
    public void Retired_key_counts_for_signatures_seen_before_it_was_retired()
    {
        var trust = TrustIn.Keys(("key-1", Key(Release) with { RetiredAt = Now }));

        Assert.True(Ask(trust, Tagged(Now.AddSeconds(-1), SimpleSigning(Release))).IsSatisfied);
        Assert.Equal(ReasonCodes.SigKeyRetired, Ask(trust, Tagged(Now, SimpleSigning(Release))).Code);
    }

    [Fact]
    public void Key_does_not_count_before_its_validity_starts()
    {
        var trust = TrustIn.Keys(("key-1", Key(Release) with { NotBefore = Now }));

        Assert.Equal(ReasonCodes.SigTimeInvalid, Ask(trust, Tagged(Now.AddSeconds(-1), SimpleSigning(Release))).Code);
        Assert.True(Ask(trust, Tagged(Now, SimpleSigning(Release))).IsSatisfied);
    }

    [Fact]
    public void Revoked_key_never_counts_even_under_another_id()
    {
        var trust = TrustIn.Keys(("good", Key(Release)), ("stolen", Key(Release) with { RevokedAt = Now.AddYears(1) }));

        Assert.Equal(ReasonCodes.SigKeyRevoked, Ask(trust, Tagged(Now.AddYears(-1), SimpleSigning(Release))).Code);
    }

    // Row 30: the same signer twice is one.
    [Fact]
    public void Signers_are_counted_by_key_not_by_signature_or_id()
    {
        var trust = TrustIn.Keys(("a", Key(Release)), ("b", Key(Second)), ("again", Key(Release)), ("c", Key(Third)));
        var two = new SignatureRequirementOptions("release") { AtLeast = 2 };
        Evidence[] once = [Tagged(SimpleSigning(Release)), Referrer(Of(Bundle(Release))), Referrer(SimpleSigning(Release))];

        var check = Ask(trust, two, once);
        Assert.Equal((ReasonCodes.SigNoTrusted, "1 of 2 signers of release for signature"), (check.Code, check.Why));
        Assert.True(Ask(trust, two, [.. once, Tagged(SimpleSigning(Second))]).IsSatisfied);
        Assert.False(Ask(trust, two with { AtLeast = 3 }, [.. once, Tagged(SimpleSigning(Second))]).IsSatisfied);
        Assert.True(
            Ask(trust, two with { AtLeast = 3 }, [.. once, Tagged(SimpleSigning(Second)), Tagged(SimpleSigning(Third))]).IsSatisfied);
    }

    [Fact]
    public void Result_does_not_depend_on_the_order_of_evidence()
    {
        Evidence[] all =
        [
            Tagged(SimpleSigning(Stranger)), Referrer(Of(Bundle(Release, Statement(Slsa)))),
            Tagged(Now.AddDays(-3), SimpleSigning(Release)),
            Tagged(SimpleSigning(Release), SimpleSigning(Second)), Referrer(Of(Bundle(Second))),
            Tagged(SimpleSigning(Release, Payload(Other.ToString()))),
        ];
        var trust = TrustIn.Keys(("a", Key(Release) with { RetiredAt = Now.AddDays(-1) }), ("b", Key(Second)));
        var cases =
            from order in Gen.Shuffle(all)
            from count in Gen.Choose(0, all.Length)
            from atLeast in Gen.Choose(1, 2)
            select (order, count, atLeast);
        Prop.ForAll(cases.ToArbitrary(), c =>
        {
            var some = c.order.Take(c.count).ToArray();
            var requirement = new SignatureRequirementOptions("release") { AtLeast = c.atLeast };
            var (one, other) = (Ask(trust, requirement, some), Ask(trust, requirement, [.. some.Reverse()]));
            return (one.Code, one.Why) == (other.Code, other.Why) && one.Findings.SequenceEqual(other.Findings);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(60));
    }

    [Fact]
    public void Adding_evidence_within_the_budget_never_makes_the_result_worse()
    {
        Evidence[] all =
        [
            Tagged(SimpleSigning(Release)), Referrer(Of(Bundle(Stranger))),
            Tagged(SimpleSigning(Stranger)), Referrer(Of(Bundle(Second))),
        ];
        for (var mask = 0; mask < 1 << all.Length; mask++)
        {
            var some = all.Where((_, i) => (mask & (1 << i)) != 0).ToArray();
            if (Ask(Trust, some).IsSatisfied) Assert.All(all, more => Assert.True(Ask(Trust, [.. some, more]).IsSatisfied));
        }
    }
}
