using Gateway.Oci;
using Xunit;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests;

/// <summary>When rules are evaluated, and what their results lead to.</summary>
public sealed class PolicyEngineTests
{
    private static readonly RuleOptions Rule = new() { Id = "types", Require = new() { ArtifactTypes = true } };

    private static Verdict Evaluate(RuleOptions rule, Func<PolicyInput, PolicyInput>? change = null) =>
        new PolicyEngine(PolicyOf(new(), rule)).Evaluate((change ?? (static input => input))(Input(Wasm)));

    private static PolicyInput Tagged(PolicyInput input, string tag) => input with { Tag = TagName.Parse(tag) };

    [Fact]
    public void Without_a_policy_everything_is_admitted()
    {
        var engine = new PolicyEngine(null);
        Assert.True(engine.AdmitsEverything);
        Assert.Equal(0UL, engine.Revision);
        var foreign = Artifact("a/b", "c/d") with { Layers = [Descriptor("c/d", "file:///etc/passwd")] };
        Assert.Equal(new(Outcome.Allow, 0, []), engine.Evaluate(Input(foreign)));
        Assert.False(new PolicyEngine(PolicyOf()).AdmitsEverything);
    }

    [Fact]
    public void Without_a_list_every_type_is_allowed() => Assert.True(PolicyOf().Evaluate(Wasm).Admits);

    [Fact]
    public void Type_list_that_no_rule_requires_applies_everywhere() =>
        Assert.Equal("artifactTypes", Assert.Single(new ArtifactTypeOptions().Evaluate(Wasm).Reasons).Rule);

    [Fact]
    public void Type_list_that_a_rule_requires_applies_where_the_rule_matches()
    {
        Assert.False(Evaluate(Rule with { Repositories = ["team/*"] }).Admits);
        Assert.True(Evaluate(Rule with { Repositories = ["prod/**"] }).Admits);
    }

    [Fact]
    public void Rule_is_evaluated_at_its_stages_only()
    {
        var rule = Rule with { Stages = [Stage.Pull, Stage.Tag] };
        Assert.True(Evaluate(rule).Admits);
        Assert.False(Evaluate(rule, static input => input with { Stage = Stage.Pull }).Admits);
    }

    [Fact]
    public void Rule_with_tags_is_evaluated_for_tags_only()
    {
        var rule = Rule with { IncludeTags = ["v*"], ExcludeTags = ["*-dev"] };
        Assert.True(Evaluate(rule).Admits);
        Assert.False(Evaluate(rule, static input => Tagged(input, "v1")).Admits);
        Assert.True(Evaluate(rule, static input => Tagged(input, "v1-dev")).Admits);
        Assert.True(Evaluate(rule, static input => Tagged(input, "latest")).Admits);
        Assert.True(Evaluate(Rule with { ExcludeTags = ["*-dev"] }).Admits);
    }

    [Fact]
    public void Rule_applies_to_its_kinds_and_artifact_types_apply_to_evidence_too()
    {
        var engine = new PolicyEngine(PolicyOf(Types(), Rule with { Kinds = [ManifestKind.Image] }));
        Assert.True(engine.Evaluate(Input(Wasm)).Admits);
        Assert.False(engine.Evaluate(Input(Encrypted)).Admits);
        Assert.Equal(ManifestKind.Evidence, KindOf(CosignBundle));
        Assert.False(engine.Evaluate(Input(CosignBundle)).Admits);
    }

    [Theory]
    [InlineData(RuleMode.Enforce, Outcome.Deny)]
    [InlineData(RuleMode.Warn, Outcome.Warn)]
    [InlineData(RuleMode.Audit, Outcome.Allow)]
    public void Mode_changes_only_the_outcome(RuleMode mode, Outcome outcome)
    {
        var enforced = Assert.Single(Evaluate(Rule).Reasons);
        var verdict = Evaluate(Rule with { Mode = mode });
        Assert.Equal(outcome, verdict.Outcome);
        Assert.Equal(enforced with { Outcome = outcome }, Assert.Single(verdict.Reasons));
    }

    [Fact]
    public void Worst_outcome_wins_and_is_listed_first()
    {
        var verdict = PolicyOf(
            new(), Rule with { Id = "a", Mode = RuleMode.Audit }, Rule with { Id = "w", Mode = RuleMode.Warn },
            Rule with { Id = "e" }).Evaluate(Wasm);
        Assert.Equal(Outcome.Deny, verdict.Outcome);
        Assert.Equal(["e", "w", "a"], verdict.Reasons.Select(static reason => reason.Rule));
    }

    [Fact]
    public void Fix_of_the_rule_replaces_the_built_in_fix()
    {
        var message = Evaluate(Rule with { Fix = "ask ops about {repo}@{digest}" }).Reasons[0].Message;
        Assert.Matches(
            @"^policy rule 'types': config type \S+ is not allowed in team/app; fix: ask ops about team/app@sha256:[0-9a-f]{64}$", message);
    }

    [Fact]
    public void Default_deny_refuses_what_no_rule_matches()
    {
        var policy = PolicyOf(new(), Rule with { Repositories = ["prod/**"] }) with { Default = Outcome.Deny };
        var reason = Assert.Single(policy.Evaluate(Image).Reasons);
        Assert.Equal((ReasonCodes.NoRuleDefault, Outcome.Deny), (reason.Code, reason.Outcome));
        Assert.Contains("no rule matches kind image in team/app at stage push", reason.Message, StringComparison.Ordinal);
        Assert.True(new PolicyEngine(policy).Evaluate(Input(Image) with { Repository = RepositoryName.Parse("prod/a") }).Admits);
    }

    [Fact]
    public void Default_deny_applies_when_only_the_type_list_matches()
    {
        var policy = PolicyOf(new()) with { Default = Outcome.Deny };
        Assert.Equal(ReasonCodes.NoRuleDefault, Assert.Single(policy.Evaluate(Image).Reasons).Code);
        Assert.True((policy with { Rules = [Rule] }).Evaluate(Image).Admits);
    }

    [Fact]
    public void Default_deny_waits_for_the_tag_when_a_rule_names_tags()
    {
        var engine = new PolicyEngine(PolicyOf(new(), Rule with { IncludeTags = ["v*"] }) with { Default = Outcome.Deny });
        Assert.True(engine.Evaluate(Input(Image)).Admits);
        Assert.True(engine.Evaluate(Tagged(Input(Image), "v1")).Admits);
        Assert.False(engine.Evaluate(Tagged(Input(Image), "latest")).Admits);
    }

    [Fact]
    public void Denied_child_denies_the_index_and_is_named()
    {
        var verdict = new ArtifactTypeOptions().Evaluate(Index(Image, Wasm), Image, Wasm);
        var reason = Assert.Single(verdict.Reasons);
        Assert.Equal((Outcome.Deny, ReasonCodes.ChildDenied), (verdict.Outcome, reason.Code));
        Assert.Contains(
            $"child {DigestOf(Wasm).ToString()[..19]}: config type {WasmConfig} is not allowed", reason.Message, StringComparison.Ordinal);
        Assert.EndsWith($"\"{WasmConfig}: [application/wasm]\"", reason.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rule_for_images_applies_to_the_images_below_an_index()
    {
        var policy = PolicyOf(Types(), Rule with { Kinds = [ManifestKind.Image] });
        Assert.False(policy.Evaluate(Index(Encrypted), Encrypted).Admits);
        Assert.True(policy.Evaluate(Index(Wasm), Wasm).Admits);
    }

    [Fact]
    public void Thousand_denied_children_give_a_bounded_list_of_reasons()
    {
        Manifest[] children = [.. Enumerable.Range(0, 1000).Select(static _ => Artifact(WasmConfig))];
        var verdict = new ArtifactTypeOptions().Evaluate(Index(children), children);
        Assert.Equal(Outcome.Deny, verdict.Outcome);
        Assert.InRange(verdict.Reasons.Length, 1, 16);
    }

    [Fact]
    public void Index_nested_too_deep_is_refused()
    {
        Manifest[] chain = [Image];
        for (var i = 0; i < 5; i++) chain = [Index(chain[0]), .. chain];
        Assert.True(PolicyOf().Evaluate(chain[1], chain[2..]).Admits);
        Assert.Equal(ReasonCodes.LimitIndex, PolicyOf().Evaluate(chain[0], chain[1..]).Reasons[0].Code);
    }

    [Fact]
    public void Cycle_of_indexes_terminates()
    {
        var (one, other) = (Digest.Of("1"u8), Digest.Of("2"u8, DigestAlgorithm.Sha512));
        var first = Index() with { Children = [Descriptor(MediaTypes.OciIndex) with { Digest = other }] };
        var second = Index() with { Children = [Descriptor(MediaTypes.OciIndex) with { Digest = one }] };
        var verdict = new PolicyEngine(PolicyOf()).Evaluate(
            Input(first) with { Digest = one, Descendants = [(other, second), (one, first)] });
        Assert.Equal(ReasonCodes.LimitIndex, verdict.Reasons[0].Code);
    }

    [Fact]
    public void Index_with_too_many_manifests_is_refused()
    {
        var policy = PolicyOf() with { Parser = new() { Limits = new() { MaxDescriptors = 2 } } };
        Assert.True(policy.Evaluate(Index(), Image, Sif).Admits);
        Assert.Equal(ReasonCodes.LimitIndex, policy.Evaluate(Index(), Image, Sif, Wasm).Reasons[0].Code);
    }

    [Theory]
    [InlineData("https://mcr.microsoft.com/v2/windows/blobs/sha256:00", true)]
    [InlineData("https://MCR.microsoft.com/x", true)]
    [InlineData("https://host.example:8443/x", true)]
    [InlineData("http://mcr.microsoft.com/x", false)]
    [InlineData("file:///etc/passwd", false)]
    [InlineData("https://169.254.169.254/latest/meta-data", false)]
    [InlineData("https://mcr.microsoft.com.evil.example/x", false)]
    [InlineData("https://mcr.microsoft.com@evil.example/x", false)]
    [InlineData("https://mcr.microsoft.com:444/x", false)]
    [InlineData("https://mcr.microsoft.com\\@evil.example/x", false)]
    [InlineData("https://evil.example/https://mcr.microsoft.com/", false)]
    [InlineData(" https://mcr.microsoft.com/x", false)]
    [InlineData("\u001b[2J", false)]
    [InlineData("", false)]
    public void Layer_urls_are_allowed_only_with_https_and_listed_hosts(string url, bool admitted)
    {
        var policy = PolicyOf() with { Parser = new() { ForeignLayerHosts = ["mcr.microsoft.com", "host.example:8443"] } };
        var image = Image with { Layers = [Descriptor(Gzip, "https://mcr.microsoft.com/good", url)] };
        var verdict = policy.Evaluate(image);
        Assert.Equal(admitted, verdict.Admits);
        if (admitted) return;
        Assert.Equal(ReasonCodes.ForeignLayer, verdict.Reasons[0].Code);
        Assert.DoesNotContain(verdict.Reasons[0].Message, static c => c is < ' ' or > '~');
        Assert.Equal(ReasonCodes.ChildDenied, policy.Evaluate(Index(image), image).Reasons[0].Code);
    }

    [Fact]
    public void Foreign_layers_are_refused_by_default()
    {
        var layer = Descriptor("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "https://mcr.microsoft.com/x");
        var message = PolicyOf().Evaluate(DockerImage with { Layers = [layer] }).Reasons[0].Message;
        Assert.EndsWith("list 'mcr.microsoft.com' under policy.parser.foreignLayers.allowHosts", message, StringComparison.Ordinal);
        Assert.False(PolicyOf().Evaluate(Image with { Config = Descriptor(MediaTypes.OciConfig, "https://a/") }).Admits);
        Assert.True(PolicyOf().Evaluate(Image with { Layers = [layer with { Urls = [] }] }).Admits);
    }
}
