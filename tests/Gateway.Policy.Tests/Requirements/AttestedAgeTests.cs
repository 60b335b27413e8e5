using System.Collections.Immutable;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Policy.Tests.Signatures;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;
using Xunit;
using static Gateway.Policy.Tests.Requirements.AgeCases;
using static Gateway.Policy.Tests.Requirements.Asking;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests.Requirements;

/// <summary>Ages that count from the proven times of signatures and attestations.</summary>
public sealed class AttestedAgeTests
{
    [Theory]
    [InlineData(3, true)]
    [InlineData(2.99, false)]
    public void Age_counts_from_the_signature_whenever_the_image_was_first_seen(double days, bool admitted)
    {
        var verdict = Pull(Rule(AtLeast3Days), Signature(Image, Ago(days)));
        Assert.Equal((admitted, admitted ? null : Ago(days).AddDays(3)), (verdict.Admits, verdict.Until));
        if (admitted) return;
        var reason = Assert.Single(verdict.Reasons);
        Assert.Equal(ReasonCodes.LimitMinAge, reason.Code);
        Assert.Contains("signed 2026-05-29T12:14:24Z by the log entry in sha256:", reason.Message, StringComparison.Ordinal);
        Assert.EndsWith("; wait until 2026-06-01T12:14:24Z", reason.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(9.99, true)]
    [InlineData(10, false)]
    public void Image_that_was_signed_long_ago_is_no_longer_served(double days, bool admitted)
    {
        var verdict = Pull(Rule(AtMost10Days), Signature(Image, Ago(days)));
        Assert.Equal((admitted, admitted ? Ago(days).AddDays(10) : null), (verdict.Admits, verdict.Until));
        if (!admitted) Assert.Equal([ReasonCodes.LimitMaxAge], verdict.Codes());
    }

    [Fact]
    public void Ages_by_first_seen_and_by_signature_are_independent()
    {
        var seen = Having(Question(Image).At(Stage.Pull), (Image, Signature(Image, Ago(5))))
            .With(facts => facts with { FirstSeen = facts.FirstSeen.Add(DigestOf(Image), Ago(1)) });
        Assert.Equal([ReasonCodes.LimitMinAge], Engine(Rule(AtLeast3Days with { AgeFrom = AgeStart.FirstSeen })).Evaluate(seen).Codes());
        Assert.True(Engine(Rule(AtLeast3Days)).Evaluate(seen).Admits);
        Assert.Equal(FactKinds.Evidence | FactKinds.Above, Engine(Rule(AtLeast3Days)).Needs(Question(Image).At(Stage.Pull)));
    }

    [Theory]
    [InlineData(null, 5.0, SignedTime.Stamp)]
    [InlineData(4.0, 5.0, SignedTime.Stamp)]
    [InlineData(6.0, 5.0, SignedTime.Log)]
    public void Time_stamp_and_log_both_prove_a_time_and_the_earlier_counts(double? logged, double stamped, string by)
    {
        var evidence = Signature(Image, logged is { } days ? Ago(days) : null, stamped: Ago(stamped));
        var verdict = Pull(Rule(AtLeast3Days), evidence);
        Assert.True(verdict.Admits);
        Assert.Equal(
            new AttestedAge(DigestOf(Image), Ago(Math.Max(logged ?? 0, stamped)), by, DigestOf(Image), evidence.Digest),
            Assert.Single(verdict.Rules[^1].Ages));
    }

    [Fact]
    public void Earliest_counting_time_is_found_in_any_order_of_evidence()
    {
        var signatures = new[] { 1, 6, 2 }.Select(static (days, i) => Signature(Image, Ago(days), i == 0 ? Second : Key)).ToArray();
        foreach (var some in new[] { signatures, [.. signatures.Reverse()] })
        {
            var verdict = Pull(Rule(AtLeast3Days), [.. some.Select(static (one, i) => one with { Place = i })]);
            Assert.Equal((true, Ago(6)), (verdict.Admits, Assert.Single(verdict.Rules[^1].Ages).SignedAt));
            Assert.Equal(signatures[1].Digest, verdict.Evidence[0].Digest);
        }
        Assert.Equal([ReasonCodes.LimitMaxAge], Pull(Rule(AtMost10Days), [.. signatures, Signature(Image, Ago(11))]).Codes());
    }

    [Fact]
    public void Signature_that_does_not_count_for_this_rule_proves_no_age()
    {
        var (mine, strange) = (Signature(Image, Ago(1)), Signature(Image, Ago(9), Stranger));
        Assert.Equal([ReasonCodes.LimitMinAge], Pull(Rule(AtLeast3Days), mine, strange).Codes());
        var attested = Rule(AtLeast3Days) with { Require = new() { Limits = AtLeast3Days, Attestations = [new(Forge.Slsa, "release")] } };
        var other = new RuleOptions { Id = "signed", Require = new() { Signatures = [new("release")] } };
        var verdict = Engine(attested, other).Evaluate(Having(Question(Image).At(Stage.Pull), (Image, Signature(Image, Ago(9)))));
        Assert.Equal([ReasonCodes.AttNone, ReasonCodes.LimitAgeUnknown], verdict.Codes());
    }

    [Fact]
    public void Untrusted_signer_is_not_reported_as_trusted_without_a_time()
    {
        var reasons = Pull(Rule(AtLeast3Days), Signature(Image, logged: null, Stranger)).Reasons;
        Assert.Equal([ReasonCodes.SigNoTrusted, ReasonCodes.LimitAgeUnknown], reasons.Select(static reason => reason.Code));
        Assert.Contains("its signed time is unknown: no evidence by release counts", reasons[1].Message, StringComparison.Ordinal);
    }

    // No other requirement needs it: the image's own signature is enough to admit it.
    [Fact]
    public void Index_evidence_that_proves_only_the_age_is_reported_as_counting()
    {
        var (index, dated) = (Index(Amd, Arm), Ago(4));
        var (own, above) = (Signature(Amd, logged: null), Signature(index, dated));
        var verdict = Engine(Rule(AtLeast3Days)).Evaluate(Having(Question(Amd).At(Stage.Pull), (Amd, own), (index, above))
            .With(facts => facts with { Above = [(DigestOf(index), index)] }));
        Assert.True(verdict.Admits);
        Assert.Equal(
            [(DigestOf(index), above.Digest, true), (DigestOf(Amd), own.Digest, true)],
            verdict.Evidence.Select(static seen => (seen.Subject, seen.Digest, seen.Verified)));
    }

    [Fact]
    public void Attestation_proves_a_time_as_a_signature_does()
    {
        var subject = $$"""{"digest":{"sha256":"{{DigestOf(Image).Hex}}"} }""";
        var bundle = Forge.Bundle(Key, Forge.Statement(Forge.Slsa, "{}", subject));
        var signature = Convert.FromBase64String((string)bundle["dsseEnvelope"]!["signatures"]![0]!["sig"]!);
        var stamp = Convert.ToBase64String(TestSigstore.Shared.Stamper.Stamp(signature, Ago(4)));
        bundle["verificationMaterial"]!["timestampVerificationData"] =
            JsonNode.Parse($$"""{"rfc3161Timestamps":[{"signedTimestamp":"{{stamp}}"}]}""");
        var rule = Rule(AtLeast3Days) with { Require = new() { Limits = AtLeast3Days, Attestations = [new(Forge.Slsa, "release")] } };
        var verdict = Pull(rule, Forge.Referrer(Forge.Of(bundle)));
        Assert.True(verdict.Admits);
        Assert.Equal((Ago(4), SignedTime.Stamp), (verdict.Rules[^1].Ages[0].SignedAt, verdict.Rules[^1].Ages[0].By));
    }

    [Theory]
    [InlineData(IndexCoverage.Either, true)]
    [InlineData(IndexCoverage.Index, true)]
    [InlineData(IndexCoverage.Children, false)]
    [InlineData(IndexCoverage.Both, false)]
    public void Age_of_an_image_counts_from_the_signed_index_that_covers_it(IndexCoverage coverage, bool admitted)
    {
        var index = Index(Amd, Arm);
        var input = Having(Question(Amd).At(Stage.Pull), (Amd, Signature(Amd, Ago(1))), (index, Signature(index, Ago(4))))
            .With(facts => facts with { Above = [(DigestOf(index), index)] });
        var verdict = Engine(Rule(AtLeast3Days, coverage)).Evaluate(input);
        Assert.Equal(admitted, verdict.Admits);
        var age = Assert.Single(verdict.Rules[^1].Ages);
        Assert.Equal((DigestOf(Amd), DigestOf(admitted ? index : Amd)), (age.Manifest, age.Subject));
    }

    [Theory]
    [InlineData(IndexCoverage.Either, 1, 4, 5, 1)]
    [InlineData(IndexCoverage.Either, null, 4, 5, 4)]
    [InlineData(IndexCoverage.Children, 1, 4, 5, 4)]
    [InlineData(IndexCoverage.Both, 6, 4, 5, 6)]
    [InlineData(IndexCoverage.Either, null, 4, null, null)]
    [InlineData(IndexCoverage.Index, null, 4, 5, null)]
    public void Age_of_an_index_counts_from_its_signature_otherwise_from_its_youngest_image(
        IndexCoverage coverage, int? own, int? amd, int? arm, int? age)
    {
        var index = Index(Amd, Arm);
        var evidence = new[] { (index, own), (Amd, amd), (Arm, arm) }.Where(static one => one.Item2 is not null)
            .Select(static one => (one.Item1, Signature(one.Item1, Ago(one.Item2!.Value)))).ToArray();
        var verdict = Engine(Rule(AtLeast3Days, coverage)).Evaluate(Having(Question(index, Amd, Arm).At(Stage.Pull), evidence));
        Assert.Equal(age is { } days ? Ago(days) : default(DateTimeOffset?), verdict.Rules[^1].Ages is [var one] ? one.SignedAt : null);
        Assert.Equal(age is null, verdict.Codes().Contains(ReasonCodes.LimitAgeUnknown));
    }

    // Each image is refused in its own evaluation; the index alone would be admitted.
    [Theory]
    [InlineData(IndexCoverage.Either, null, 4, 11)]
    [InlineData(IndexCoverage.Either, 4, 4, 11)]
    [InlineData(IndexCoverage.Children, null, 4, 11)]
    [InlineData(IndexCoverage.Both, 4, 4, 11)]
    public void Index_makes_no_image_below_it_younger(IndexCoverage coverage, int? own, int amd, int arm)
    {
        var index = Index(Amd, Arm);
        var evidence = new[] { (index, own), (Amd, amd), (Arm, arm) }.Where(static one => one.Item2 is not null)
            .Select(static one => (one.Item1, Signature(one.Item1, Ago(one.Item2!.Value)))).ToArray();
        var engine = Engine(Rule(AtMost10Days, coverage));
        Assert.Equal([ReasonCodes.LimitMaxAge], engine.Evaluate(Having(Question(Arm).At(Stage.Pull), evidence)).Codes());
        var reason = Assert.Single(engine.Evaluate(Having(Question(index, Amd, Arm).At(Stage.Pull), evidence)).Reasons);
        Assert.Equal(ReasonCodes.ChildDenied, reason.Code);
        Assert.Contains(DigestOf(Arm).ToString()[..19], reason.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Index_signature_proves_no_age_for_images_that_need_their_own()
    {
        var (index, old) = (Index(Amd), Ago(9));
        var input = Having(
            Question(index, Amd).At(Stage.Pull), (index, Signature(index, old)), (Amd, Signature(Amd, logged: null)));
        Assert.Equal([ReasonCodes.ChildDenied], Engine(Rule(AtLeast3Days, IndexCoverage.Both)).Evaluate(input).Codes());
        Assert.True(Engine(Rule(AtLeast3Days)).Evaluate(input).Admits);
    }

    [Fact]
    public void Signature_of_the_canonical_digest_proves_the_age_under_another_digest()
    {
        var other = Digest.Of("the same"u8, DigestAlgorithm.Sha512);
        var input = Having(Question(Image).At(Stage.Pull), (Image, Signature(Image, Ago(4)))) with
        {
            Digest = other, Canonical = DigestOf(Image),
        };
        Assert.True(Engine(Rule(AtLeast3Days)).Evaluate(input).Admits);
        Assert.False(Engine(Rule(AtLeast3Days)).Evaluate(input with { Canonical = default }).Admits);
    }

    [Fact]
    public void Unread_evidence_makes_only_the_maximum_age_unknown()
    {
        PolicyInput Cut(params (Manifest, Evidence)[] evidence) => Having(Question(Image).At(Stage.Pull), evidence)
            .With(facts => facts with { BeyondBudget = [DigestOf(Image)] });
        var signed = (Image, Signature(Image, Ago(4)));
        Assert.True(Engine(Rule(AtLeast3Days)).Evaluate(Cut(signed)).Admits);
        Assert.Equal([ReasonCodes.EvidenceBudget], Engine(Rule(AtMost10Days)).Evaluate(Cut(signed)).Codes());
        Assert.Equal([ReasonCodes.LimitMaxAge], Engine(Rule(AtMost10Days)).Evaluate(Cut((Image, Signature(Image, Ago(11))))).Codes());
        Assert.Equal(
            [ReasonCodes.EvidenceBudget], Engine(Rule(AtLeast3Days)).Evaluate(Cut((Image, Signature(Image, logged: null)))).Codes());
    }

    // Promotions copy the evidence that a verdict lists, and that evidence is not deleted.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Evidence_that_decides_a_verdict_is_listed_among_any_amount_of_other_evidence(bool isAged)
    {
        var rule = isAged ? Rule(AtLeast3Days) : new RuleOptions { Id = "signed", Require = new() { Signatures = [new("release")] } };
        var index = Index(Amd);
        var junk = new[] { index, Amd }.SelectMany(static of => Enumerable.Range(0, 40).Select(i => (of, Junk(of, i))));
        var good = Signature(Amd, Ago(4)) with { Place = 40 };
        var verdict = Engine(rule).Evaluate(Having(Question(index, Amd).At(Stage.Pull), [.. junk, (Amd, good)]));
        Assert.Equal((true, 64, good.Digest), (verdict.Admits, verdict.Evidence.Length, verdict.Evidence[0].Digest));

        static Evidence Junk(Manifest of, int i)
        {
            var payload = Encoding.UTF8.GetString(Forge.Payload(DigestOf(of).ToString())) + new string(' ', i);
            return Forge.Tagged(Forge.SimpleSigning(Stranger, Encoding.UTF8.GetBytes(payload))) with { Place = i };
        }
    }

    [Fact]
    public void Attested_age_does_not_apply_to_evidence()
    {
        var every = Rule(AtMost10Days) with { Kinds = [.. Enum.GetValues<ManifestKind>()] };
        Assert.True(Engine(every).Evaluate(Question(CosignBundle).At(Stage.Pull)).Admits);
        Assert.Equal(FactKinds.None, Engine(every).Needs(Question(CosignBundle)));
    }

    [Fact]
    public void Rule_for_images_checks_the_age_of_each_image_below_an_index()
    {
        var rule = Rule(AtLeast3Days, IndexCoverage.Children) with { Kinds = [ManifestKind.Image] };
        var input = Having(
            Question(Index(Amd, Arm), Amd, Arm).At(Stage.Pull), (Amd, Signature(Amd, Ago(4))), (Arm, Signature(Arm, Ago(2))));
        var verdict = Engine(rule).Evaluate(input);
        Assert.Equal([ReasonCodes.ChildDenied], verdict.Codes());
        Assert.Equal([DigestOf(Amd), DigestOf(Arm)], verdict.Rules[^1].Ages.Select(static age => age.Manifest));
    }
}
