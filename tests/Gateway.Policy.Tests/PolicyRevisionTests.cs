using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Policy.Tests.Signatures;
using Xunit;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests;

/// <summary>A verdict is valid for one revision: everything that could change the verdict changes the revision.</summary>
public sealed class PolicyRevisionTests
{
    private static readonly RuleOptions Rule = new() { Id = "r", Require = new() { ArtifactTypes = true } };

    private static readonly ExceptionOptions Exception =
        new() { Id = "e", Rule = "r", Repositories = ["a"], Until = Requirements.Asking.Now, By = "b", Reason = "c" };

    private static readonly TestKey Key = TestKey.Ecdsa();

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
        PolicyOf(new(), Rule with { OnMissing = OnMissing.Quarantine }),
        PolicyOf(new(), Rule with { Require = new() { TagMutability = TagMutability.Immutable } }),
        PolicyOf(new(), Rule with { Require = new() { Limits = new() { MaxLayers = 1 } } }),
        PolicyOf(new(), Rule with { Require = new() { Limits = new() { MinAge = TimeSpan.FromDays(1) } } }),
        PolicyOf(new(), Rule with { Require = new() { Limits = new() { MinAge = TimeSpan.FromDays(1), AgeFrom = AgeStart.Attested } } }),
        PolicyOf(new(), Rule with { Require = new() { Platforms = new() { OnlyOs = ["linux"] } } }),
        PolicyOf(new(), Rule with { Require = new() { TruthfulMedia = [MediaClaim.Gzip] } }),
        PolicyOf(new(), Rule with { Require = new() { LayerDigestCheck = true } }),
        PolicyOf() with { Exceptions = [Exception] },
        PolicyOf() with { Exceptions = [Exception with { Digests = [Digest.Of("a"u8)] }] },
        PolicyOf() with { Exceptions = [Exception with { Digests = [Digest.Of("b"u8)] }] },
        PolicyOf() with { Trust = TrustIn.Keys(Key) },
        PolicyOf() with { Trust = TrustIn.Keys(("key-1", new(Key.Public) { RevokedAt = Requirements.Asking.Now })) },
        PolicyOf() with { Trust = TrustIn.Keys(TestKey.Ecdsa()) },
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
