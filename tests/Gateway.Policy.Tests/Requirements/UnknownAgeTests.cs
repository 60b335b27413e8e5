using Gateway.Oci;
using Xunit;
using static Gateway.Policy.Tests.Requirements.AgeCases;
using static Gateway.Policy.Tests.Requirements.Asking;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests.Requirements;

/// <summary>Manifests without a proven age are refused, and the message says what is missing.</summary>
public sealed class UnknownAgeTests
{
    [Theory]
    [InlineData(Stage.Push, true, false)]
    [InlineData(Stage.Tag, true, false)]
    [InlineData(Stage.Promote, true, false)]
    [InlineData(Stage.ProxyFetch, false, false)]
    [InlineData(Stage.Pull, false, false)]
    public void Signature_without_a_time_is_refused_at_every_stage_that_checks_the_age(Stage stage, bool young, bool old)
    {
        PolicyInput Asked() => Having(Question(Image).At(stage), (Image, Signature(Image, logged: null)))
            .With(facts => facts with { FirstSeen = facts.FirstSeen.Add(DigestOf(Image), Ago(5)) });
        var verdicts = new[] { AtLeast3Days, AtMost10Days }.Select(limits => Engine(Rule(limits)).Evaluate(Asked())).ToArray();
        Assert.Equal((young, old), (verdicts[0].Admits, verdicts[1].Admits));
        Assert.Equal([ReasonCodes.LimitAgeUnknown], verdicts[1].Codes());
    }

    [Fact]
    public void Refusal_for_an_unknown_age_names_the_missing_time_and_the_fix()
    {
        var unsigned = Pull(Rule(AtLeast3Days));
        Assert.Equal([ReasonCodes.SigNone, ReasonCodes.LimitAgeUnknown], unsigned.Codes());
        Assert.Contains(
            "its signed time is unknown: no evidence by release counts", unsigned.Reasons[1].Message, StringComparison.Ordinal);
        var evidence = Signature(Image, logged: null);
        var reason = Assert.Single(Pull(Rule(AtLeast3Days), evidence).Reasons);
        Assert.Contains(
            $"{evidence.Digest.ToString()[..19]} counts, and neither a log entry nor a time stamp proves when it was made",
            reason.Message, StringComparison.Ordinal);
        Assert.EndsWith(
            $"; cosign sign --key KEY HOST/team/app@{DigestOf(Image)} with a log entry that proves a time, or a time stamp",
            reason.Message, StringComparison.Ordinal);
        Assert.Equal("a signed time", reason.Expected);
    }

    [Fact]
    public void Fix_for_the_unknown_age_of_a_promoted_image_names_its_evidence_repository()
    {
        var input = Question(Image) with { EvidenceFrom = RepositoryName.Parse("stage/app") };
        var verdict = Engine(Rule(AtMost10Days)).Evaluate(Having(input, (Image, Signature(Image, logged: null))));
        Assert.Contains($" HOST/stage/app@{DigestOf(Image)} with ", Assert.Single(verdict.Reasons).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unknown_age_can_be_fixed_by_more_evidence_and_a_known_one_cannot()
    {
        var held = Rule(AtLeast3Days) with { OnMissing = OnMissing.Quarantine };
        Assert.Equal(Outcome.Quarantine, Pull(held).Outcome);
        var undated = Pull(held, Signature(Image, logged: null));
        Assert.Equal((Outcome.Quarantine, true), (undated.Outcome, undated.CouldBeMended));
        Assert.Equal(Outcome.Deny, Pull(held, Signature(Image, Ago(1))).Outcome);
    }
}
