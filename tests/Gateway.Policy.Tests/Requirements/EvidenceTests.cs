using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Gateway.Policy.Tests.Signatures;
using Xunit;
using static Gateway.Policy.Tests.Requirements.Asking;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests.Requirements;

/// <summary>Signatures and attestations in rules: which manifests need them, and the outcome when they are missing.</summary>
public sealed class EvidenceTests
{
    private static readonly TestKey Key = TestKey.Ecdsa();
    private static readonly TestKey Stranger = TestKey.Ecdsa();

    private static readonly Manifest Amd = Artifact(MediaTypes.OciConfig, Gzip);
    private static readonly Manifest Arm = Artifact(MediaTypes.OciConfig, Zstd);

    private static readonly RuleOptions Signed = new()
    {
        Id = "signed", Require = new() { Signatures = [new("release")] },
    };

    private static PolicyEngine Engine(params RuleOptions[] rules) => new(PolicyOf(null, rules) with { Trust = TrustIn.Keys(Key) });

    private static Evidence SignatureOf(Manifest manifest, TestKey key) =>
        Forge.Tagged(Forge.SimpleSigning(key, Forge.Payload(DigestOf(manifest).ToString(), "registry.example/team/app")));

    private static PolicyInput Having(PolicyInput input, params (Manifest Subject, Evidence Evidence)[] evidence) =>
        input.With(facts => facts with
    {
        Evidence = evidence.GroupBy(static e => DigestOf(e.Subject))
            .ToImmutableDictionary(static e => e.Key, static e => e.Select(static one => one.Evidence).ToImmutableArray()),
    });

    [Fact]
    public void Signed_image_is_admitted_and_the_verdict_names_the_signer()
    {
        var verdict = Engine(Signed).Evaluate(Having(Question(Image), (Image, SignatureOf(Image, Key))));
        Assert.Equal(Outcome.Allow, verdict.Outcome);
        var seen = Assert.Single(verdict.Evidence);
        Assert.Equal(
            (DigestOf(Image), "signature", "legacy", "release", true, ""),
            (seen.Subject, seen.Kind, seen.Format, seen.Authority, seen.Verified, seen.Code));
        Assert.Equal(("signed", Outcome.Allow), (verdict.Rules[^1].Id, verdict.Rules[^1].Outcome));
    }

    [Fact]
    public void Unsigned_image_is_refused_with_the_command_that_signs_it()
    {
        var verdict = Engine(Signed).Evaluate(Question(Image));
        var reason = Assert.Single(verdict.Reasons);
        Assert.Equal((Outcome.Deny, ReasonCodes.SigNone, "signature by release"), (verdict.Outcome, reason.Code, reason.Expected));
        Assert.EndsWith($"cosign sign --key KEY HOST/team/app@{DigestOf(Image)}", reason.Message, StringComparison.Ordinal);
        Assert.True(verdict.CouldBeMended);
    }

    [Fact]
    public void Signature_that_does_not_count_is_listed_with_the_reason_why()
    {
        var verdict = Engine(Signed).Evaluate(
            Having(Question(Image), (Image, SignatureOf(Image, Stranger)), (Image, SignatureOf(Arm, Key))));
        Assert.False(verdict.Admits);
        Assert.Equal(2, verdict.Evidence.Length);
        Assert.All(verdict.Evidence, static seen => Assert.False(seen.Verified || seen.Why.Length == 0 || seen.Code.Length == 0));
        Assert.Contains(verdict.Evidence, static seen => seen.Code == ReasonCodes.SigWrongDigest);
    }

    [Theory]
    [InlineData(OnMissing.Deny, RuleMode.Enforce, Outcome.Deny, Outcome.Deny)]
    [InlineData(OnMissing.Quarantine, RuleMode.Enforce, Outcome.Quarantine, Outcome.Quarantine)]
    [InlineData(OnMissing.Warn, RuleMode.Enforce, Outcome.Warn, Outcome.Warn)]
    [InlineData(OnMissing.Quarantine, RuleMode.Warn, Outcome.Warn, Outcome.Quarantine)]
    [InlineData(OnMissing.Warn, RuleMode.Audit, Outcome.Allow, Outcome.Warn)]
    public void Missing_signature_leads_to_the_outcome_of_onMissing(OnMissing onMissing, RuleMode mode, Outcome outcome, Outcome before)
    {
        var verdict = Engine(Signed with { OnMissing = onMissing, Mode = mode }).Evaluate(Question(Image));
        Assert.Equal((outcome, before), (verdict.Outcome, verdict.BeforeModes));
    }

    [Fact]
    public void Finding_that_no_signature_can_fix_is_refused_and_not_held()
    {
        var held = Signed with { OnMissing = OnMissing.Quarantine };
        var verdict = Engine(held with { Require = held.Require with { Limits = new() { MaxLayers = 1 } } }).Evaluate(Question(Image));
        Assert.Equal((Outcome.Deny, Outcome.Deny, false), (verdict.Outcome, verdict.BeforeModes, verdict.CouldBeMended));
        Assert.Equal(Outcome.Quarantine, Engine(held).Evaluate(Question(Image)).Outcome);
    }

    [Fact]
    public void Evidence_never_needs_evidence()
    {
        var rule = Signed with { Kinds = [.. Enum.GetValues<ManifestKind>()] };
        Assert.All([CosignSignature, CosignBundle, Notation], manifest => Assert.True(Engine(rule).Evaluate(Question(manifest)).Admits));
        Assert.True(Engine(rule).Evaluate(Question(Index(CosignBundle), CosignBundle)).Admits);
        Assert.Equal(FactKinds.None, Engine(rule).Needs(Question(CosignBundle)));
        Assert.Equal(FactKinds.Evidence | FactKinds.Above, Engine(rule).Needs(Question(Image)));
    }

    private static RuleOptions Covering(IndexCoverage coverage) =>
        Signed with { Require = new() { Signatures = [new("release") { Coverage = coverage }] } };

    [Theory]
    [InlineData(IndexCoverage.Index, "index", true)]
    [InlineData(IndexCoverage.Index, "amd arm", false)]
    [InlineData(IndexCoverage.Children, "index", false)]
    [InlineData(IndexCoverage.Children, "amd arm", true)]
    [InlineData(IndexCoverage.Children, "amd", false)]
    [InlineData(IndexCoverage.Either, "index", true)]
    [InlineData(IndexCoverage.Either, "amd arm", true)]
    [InlineData(IndexCoverage.Either, "arm", false)]
    [InlineData(IndexCoverage.Both, "index", false)]
    [InlineData(IndexCoverage.Both, "index amd arm", true)]
    [InlineData(IndexCoverage.Both, "amd arm", false)]
    public void Coverage_decides_which_manifests_of_an_index_need_signatures(IndexCoverage coverage, string whose, bool admitted)
    {
        var index = Index(Amd, Arm);
        var all = new Dictionary<string, Manifest> { ["index"] = index, ["amd"] = Amd, ["arm"] = Arm };
        var evidence = whose.Split(' ').Select(name => (all[name], SignatureOf(all[name], Key))).ToArray();
        Assert.Equal(admitted, Engine(Covering(coverage)).Evaluate(Having(Question(index, Amd, Arm), evidence)).Admits);
    }

    /// <remarks>The index of an upstream, whose images come when clients ask for them.</remarks>
    [Theory]
    [InlineData(IndexCoverage.Children, "amd", true)]
    [InlineData(IndexCoverage.Children, "", true)]
    [InlineData(IndexCoverage.Children, "arm", false)]
    [InlineData(IndexCoverage.Both, "index amd", true)]
    [InlineData(IndexCoverage.Both, "amd", false)]
    [InlineData(IndexCoverage.Either, "amd", false)]
    public void Image_that_is_not_here_yet_is_evaluated_when_it_comes(IndexCoverage coverage, string whose, bool admitted)
    {
        var platform = new Platform("linux", "amd64", null);
        var index = Index(Amd, Arm);
        index = index with { Children = [.. index.Children.Select(entry => entry with { Platform = platform })] };
        var all = new Dictionary<string, Manifest> { ["index"] = index, ["amd"] = Amd, ["arm"] = Arm };
        var evidence = whose.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(name => (all[name], SignatureOf(all[name], Key)));
        var here = whose.Length == 0 ? Question(index) : Question(index, Amd);

        Assert.Equal(admitted, Engine(Covering(coverage)).Evaluate(Having(here, [.. evidence])).Admits);
    }

    /// <remarks>Clients request the images of an index by digest. A rule that does not apply then would admit them unsigned.</remarks>
    [Theory]
    [InlineData(IndexCoverage.Children)]
    [InlineData(IndexCoverage.Both)]
    public void Image_that_is_not_here_yet_needs_its_signature_now_under_a_rule_that_its_request_does_not_ask(IndexCoverage coverage)
    {
        var index = Index(Amd);
        index = index with { Children = [.. index.Children.Select(static e => e with { Platform = new("linux", "amd64", null) })] };
        var input = Having(Question(index), (index, SignatureOf(index, Key)));
        bool Admits(RuleOptions rule, Stage stage) => Engine(rule).Evaluate(input.By("v1", stage)).Admits;
        var rule = Covering(coverage);

        Assert.False(Admits(rule with { IncludeTags = ["v*"] }, Stage.Pull));
        Assert.False(Admits(rule with { ExcludeTags = ["dev"] }, Stage.Pull));
        Assert.False(Admits(rule with { Stages = [Stage.Tag] }, Stage.Tag));
        Assert.False(Admits(rule with { Kinds = [ManifestKind.Index] }, Stage.Pull));
        Assert.True(Admits(rule with { Stages = [Stage.Pull] }, Stage.Pull));
    }

    [Fact]
    public void Fix_for_unsigned_images_of_an_index_signs_all_of_them()
    {
        var index = Index(Amd, Arm);
        var input = Having(Question(index, Amd, Arm), (index, SignatureOf(index, Key)), (Amd, SignatureOf(Amd, Key)));
        var reason = Assert.Single(Engine(Covering(IndexCoverage.Children)).Evaluate(input).Reasons);
        Assert.Equal(ReasonCodes.CoverageChildUnsigned, reason.Code);
        Assert.EndsWith($"cosign sign --key KEY --recursive HOST/team/app@{DigestOf(index)}", reason.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Fix_for_a_missing_attestation_is_a_complete_command_for_the_image_that_lacks_it()
    {
        static PolicyEngine Attested(IndexCoverage coverage) => Engine(Signed with
        {
            Require = new() { Attestations = [new(Forge.Slsa, "release") { Coverage = coverage }] },
        });
        var index = Index(Amd);
        var advice = $"cosign attest --key KEY --predicate FILE --type {Forge.Slsa} HOST/team/app@";
        string Told(IndexCoverage coverage) => Attested(coverage).Evaluate(Question(index, Amd)).Reasons[0].Message;
        Assert.EndsWith(advice + DigestOf(index), Told(IndexCoverage.Index), StringComparison.Ordinal);
        Assert.EndsWith(advice + DigestOf(Amd), Told(IndexCoverage.Children), StringComparison.Ordinal);
    }

    [Fact]
    public void Fix_names_the_repository_that_evidence_is_read_from()
    {
        var input = Question(Image) with { EvidenceFrom = RepositoryName.Parse("stage/app") };
        Assert.EndsWith($" HOST/stage/app@{DigestOf(Image)}", Engine(Signed).Evaluate(input).Reasons[0].Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(IndexCoverage.Index, true)]
    [InlineData(IndexCoverage.Either, true)]
    [InlineData(IndexCoverage.Children, false)]
    [InlineData(IndexCoverage.Both, false)]
    public void Image_of_a_signed_index_is_admitted_unless_it_needs_its_own_signature(IndexCoverage coverage, bool admitted)
    {
        var index = Index(Amd, Arm);
        var input = Having(Question(Amd).At(Stage.Pull), (index, SignatureOf(index, Key)));
        Assert.Equal(
            admitted, Engine(Covering(coverage)).Evaluate(input.With(facts => facts with { Above = [(DigestOf(index), index)] })).Admits);
        Assert.False(Engine(Covering(coverage)).Evaluate(input).Admits);
    }

    [Fact]
    public void Signed_index_does_not_admit_an_image_that_its_own_rule_refuses()
    {
        var index = Index(Amd);
        var rule = Signed with { Require = Signed.Require with { Limits = new() { MaxLayers = 0 } } };
        var input = Having(Question(Amd), (index, SignatureOf(index, Key)))
            .With(facts => facts with { Above = [(DigestOf(index), index)] });
        Assert.Equal([ReasonCodes.LimitLayers], Engine(rule).Evaluate(input).Codes());
    }

    [Fact]
    public void Rule_for_images_applies_to_each_image_below_an_index()
    {
        var rule = Covering(IndexCoverage.Children) with { Kinds = [ManifestKind.Image] };
        var verdict = Engine(rule).Evaluate(Having(Question(Index(Amd, Arm), Amd, Arm), (Amd, SignatureOf(Amd, Key))));
        var reason = Assert.Single(verdict.Reasons);
        Assert.Equal(ReasonCodes.ChildDenied, reason.Code);
        Assert.Contains(DigestOf(Arm).ToString()[..19], reason.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Too_much_evidence_is_refused_and_another_signature_does_not_help()
    {
        var held = Signed with { OnMissing = OnMissing.Quarantine };
        var input = Question(Image).With(facts => facts with { BeyondBudget = [DigestOf(Image)] });
        var verdict = Engine(held).Evaluate(input);
        Assert.Equal((Outcome.Deny, ReasonCodes.EvidenceBudget), (verdict.Outcome, verdict.Reasons[0].Code));
        Assert.True(Engine(held).Evaluate(Having(input, (Image, SignatureOf(Image, Key)))).Admits);
    }

    [Fact]
    public void Attestation_must_match_type_and_content_and_is_not_a_signature()
    {
        var subject = $$"""{"digest":{"sha256":"{{DigestOf(Image).Hex}}"} }""";
        var attestation = Forge.Referrer(Forge.Of(Forge.Bundle(Key, Forge.Statement(Forge.Slsa, """{"ref":"refs/tags/v1"}""", subject))));
        var input = Having(Question(Image), (Image, attestation));
        static RuleOptions Attested(string glob) => Signed with
        {
            Require = new() { Attestations = [new(Forge.Slsa, "release") { Where = [new("$.ref", new(TextComparison.Glob, glob))] }] },
        };

        Assert.True(Engine(Attested("refs/tags/*")).Evaluate(input).Admits);
        Assert.Equal([ReasonCodes.AttPredicateFailed], Engine(Attested("refs/heads/*")).Evaluate(input).Codes());
        Assert.Equal([ReasonCodes.AttNone], Engine(Attested("**")).Evaluate(Question(Image)).Codes());
        Assert.False(Engine(Signed).Evaluate(input).Admits);
    }

    [Fact]
    public void Exception_admits_an_unsigned_image_until_it_ends()
    {
        var policy = PolicyOf(null, Signed) with
        {
            Trust = TrustIn.Keys(Key),
            Exceptions = [new() { Id = "e", Rule = "signed", Repositories = ["team/app"], Until = Now.AddDays(1), By = "a", Reason = "b" }],
        };
        var verdict = new PolicyEngine(policy).Evaluate(Question(Image));
        Assert.Equal((true, Now.AddDays(1)), (verdict.Admits, verdict.Until));
        Assert.False(new PolicyEngine(policy).Evaluate(Question(Image) with { Now = Now.AddDays(1) }).Admits);
    }
}
