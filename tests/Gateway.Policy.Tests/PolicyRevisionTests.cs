using System.Collections.Immutable;
using Gateway.Oci;
using Xunit;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests;

/// <summary>A verdict holds under one revision: whatever could change it changes the revision.</summary>
public sealed class PolicyRevisionTests
{
    private static readonly RuleOptions Rule = new() { Id = "r", Require = new() { ArtifactTypes = true } };

    private static readonly PolicyOptions[] Different =
    [
        PolicyOf(),
        PolicyOf() with { Default = Outcome.Deny },
        PolicyOf() with { Parser = new() { MaxIndexDepth = 4 } },
        PolicyOf() with { Parser = new() { ForeignLayerHosts = ["a.example"] } },
        PolicyOf() with { Parser = new() { Limits = new ManifestLimits { MaxDescriptors = 1 } } },
        PolicyOf(new()),
        PolicyOf(new() { Semantics = ArtifactTypeSemantics.QuayUnion }),
        PolicyOf(new() { Extend = true }),
        PolicyOf(new() { HelmOciSupport = false }),
        PolicyOf(new() { GeneralOciSupport = false }),
        PolicyOf(Types()),
        PolicyOf(Types(("a/b", []))),
        PolicyOf(Types(("a/b", ["c/d"]))),
        PolicyOf(Types(("a/b", []), ("c/d", []))),
        PolicyOf(new(), Rule),
        PolicyOf(new(), Rule with { Id = "s" }),
        PolicyOf(new(), Rule with { Mode = RuleMode.Warn }),
        PolicyOf(new(), Rule with { Repositories = ["a"] }),
        PolicyOf(new(), Rule with { IncludeTags = ["a"] }),
        PolicyOf(new(), Rule with { ExcludeTags = ["a"] }),
        PolicyOf(new(), Rule with { Stages = [Stage.Pull] }),
        PolicyOf(new(), Rule with { Kinds = [ManifestKind.Image] }),
        PolicyOf(new(), Rule with { Fix = "x" }),
        PolicyOf(new(), Rule, Rule with { Id = "s" }),
    ];

    [Fact]
    public void Different_policies_have_different_revisions() =>
        Assert.Equal(Different.Length, Different.Select(static policy => new PolicyEngine(policy).Revision).Distinct().Count());

    [Fact]
    public void Equal_policies_have_the_same_revision_in_every_process() =>
        Assert.Equal(
            new PolicyEngine(PolicyOf(new(), Rule)).Revision,
            new PolicyEngine(PolicyOf(new(), new RuleOptions { Id = "r", Require = new() { ArtifactTypes = true } })).Revision);
}
