using System.Collections.Immutable;
using Gateway.Oci;
using Xunit;
using static Gateway.Policy.Tests.Requirements.Asking;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests.Requirements;

/// <summary>Immutable tags, tags that keep or raise their version, and reserved tags.</summary>
public sealed class TagTests
{
    private const string Version = "org.opencontainers.image.version";

    private static readonly RequireOptions Immutable = new() { TagMutability = TagMutability.Immutable };
    private static readonly RequireOptions Monotonic = new() { TagMutability = TagMutability.MonotonicSemver };

    private static Manifest Of(string version) =>
        Artifact(MediaTypes.OciConfig, Gzip) with { Annotations = ImmutableSortedDictionary<string, string>.Empty.Add(Version, version) };

    private static PolicyInput Was(PolicyInput input, params Manifest[] bindings) => input.With(facts => facts with
    {
        TagHistory = [.. bindings.Select(static manifest => new TagBinding(DigestOf(manifest), manifest))],
    });

    [Fact]
    public void Immutable_tag_cannot_move()
    {
        var other = Artifact(MediaTypes.OciConfig, Zstd);
        Assert.True(Immutable.Ask(Question(Image).By("v1")).Admits);
        Assert.True(Immutable.Ask(Was(Question(Image).By("v1"), Image)).Admits);
        var reason = Assert.Single(Immutable.Ask(Was(Question(Image).By("v1"), other)).Reasons);
        Assert.Equal((ReasonCodes.TagImmutable, DigestOf(other).ToString()), (reason.Code, reason.Expected));
        Assert.False(Immutable.Ask(Was(Question(Image).By("v1", Stage.Promote), other)).Admits);
    }

    [Fact]
    public void Pull_of_an_immutable_tag_is_admitted()
    {
        var input = Was(Question(Image).By("v1", Stage.Pull), Artifact(MediaTypes.OciConfig, Zstd));
        Assert.True(Immutable.Ask(input).Admits);
        Assert.False(Immutable.Ask(input).OfBinding);
        Assert.True(Immutable.Ask(input.At(Stage.Tag)).OfBinding);
    }

    [Theory]
    [InlineData("1.2.3", "1.2.4", true)]
    [InlineData("1.2.3", "1.2.3", true)]
    [InlineData("1.10.0", "1.9.9", false)]
    [InlineData("2.0.0", "2.0.0-rc.1", false)]
    [InlineData("2.0.0-rc.2", "2.0.0-rc.10", true)]
    [InlineData("v1.0.0", "1.0.1+build", true)]
    [InlineData("1.0.0", "latest", false)]
    [InlineData("1.0.0", "1.0", false)]
    [InlineData("no version", "1.0.0", true)]
    [InlineData("99999999999999999999.0.0", "99999999999999999998.9.9", false)]
    public void Tag_cannot_move_to_a_lower_version(string from, string to, bool admitted)
    {
        var verdict = Monotonic.Ask(Was(Question(Of(to)).By("latest"), Of(from)));
        Assert.Equal(admitted ? [] : [ReasonCodes.TagVersionLower], verdict.Codes());
    }

    [Fact]
    public void Highest_version_of_the_history_counts_after_a_move_back() =>
        Assert.False(Monotonic.Ask(Was(Question(Of("1.5.0")).By("latest"), Of("1.0.0"), Of("2.0.0"))).Admits);

    [Fact]
    public void Tag_that_is_a_version_never_moves()
    {
        Assert.Equal([ReasonCodes.TagImmutable], Monotonic.Ask(Was(Question(Of("1.2.4")).By("v1.2.3"), Of("1.2.3"))).Codes());
        Assert.True(Monotonic.Ask(Was(Question(Of("1.3.0")).By("v1"), Of("1.2.3"))).Admits);
    }

    [Fact]
    public void Version_is_read_from_the_label_when_the_annotation_is_missing()
    {
        var (from, to) = (Artifact(MediaTypes.OciConfig, Gzip), Artifact(MediaTypes.OciConfig, Zstd));
        static ImageConfig At(string version) =>
            Runs("linux", "amd64") with { Labels = ImmutableSortedDictionary<string, string>.Empty.Add(Version, version) };
        var input = Was(Question(to).By("latest"), from);
        Assert.False(Monotonic.Ask(input.WithConfigs((from, At("2.0.0")), (to, At("1.0.0")))).Admits);
        Assert.True(Monotonic.Ask(input.WithConfigs((from, At("2.0.0")), (to, At("2.0.1")))).Admits);
    }

    [Theory]
    [InlineData("2.0.0", true)]
    [InlineData("1.9.9", false)]
    [InlineData(null, false)]
    public void Index_of_a_higher_version_cannot_contain_an_image_of_a_lower_one(string? version, bool admitted)
    {
        var image = version is null ? Image : Of(version);
        var index = Index(image, CosignBundle) with { Annotations = Of("9.9.9").Annotations };
        var verdict = Monotonic.Ask(Was(Question(index, image, CosignBundle).By("latest"), Of("2.0.0")));
        Assert.Equal(admitted ? [] : [ReasonCodes.ChildDenied], verdict.Codes());
        Assert.True(Monotonic.Ask(Was(Question(index).By("latest"), Of("2.0.0"))).Admits);
    }

    public static string Signature => $"sha256-{new string('a', 64)}.sig";

    [Theory]
    [InlineData(".sig")]
    [InlineData(".att")]
    [InlineData(".sbom")]
    public void Evidence_tag_accepts_only_evidence(string suffix)
    {
        var tag = $"sha256-{new string('a', 64)}{suffix}";
        var none = new RequireOptions();
        Assert.Equal([ReasonCodes.TagReserved], none.Ask(Question(Image).By(tag)).Codes());
        Assert.Equal([ReasonCodes.TagReserved], none.Ask(Question(HelmChart).By(tag, Stage.Promote)).Codes());
        Assert.True(none.Ask(Question(CosignSignature).By(tag)).Admits);
        Assert.True(none.Ask(Question(Image).By(tag, Stage.Pull)).Admits);
        Assert.True(none.Ask(Question(Image).By("sha256-" + new string('A', 64) + suffix)).Admits);
    }

    [Fact]
    public void Bare_digest_tag_accepts_an_index_or_the_manifest_of_that_digest()
    {
        var none = new RequireOptions();
        Assert.Equal([ReasonCodes.TagReserved], none.Ask(Question(Image).By(Signature[..^4])).Codes());
        Assert.Equal([ReasonCodes.TagReserved], none.Ask(Question(CosignSignature).By(Signature[..^4])).Codes());
        Assert.Equal([ReasonCodes.TagReserved], none.Ask(Question(CosignBundle).By(Signature[..^4])).Codes());
        foreach (var manifest in new[] { Image, HelmChart, CosignSignature, Index(Image) })
        {
            Assert.True(none.Ask(Question(manifest).By($"sha256-{DigestOf(manifest).Hex}")).Admits);
            Assert.Equal(
                manifest == CosignSignature, none.Ask(Question(manifest).By($"sha256-{DigestOf(manifest).Hex}.sig")).Admits);
        }
    }

    [Fact]
    public void Tag_rule_applies_to_every_kind_of_manifest()
    {
        foreach (var manifest in new[] { CosignSignature, CosignBundle, Notation, HelmChart, Sif, Index(CosignBundle), Index(Image) })
        {
            var input = Was(Question(manifest, CosignBundle, Image).By("v1"), Encrypted);
            Assert.Contains(ReasonCodes.TagImmutable, Immutable.Ask(input).Codes());
            Assert.Contains(ReasonCodes.TagImmutable, Immutable.Ask(input, r => r with { Kinds = [ManifestKind.Image] }).Codes());
            var latest = Was(Question(manifest, CosignBundle, Image).By("latest"), Of("2.0.0"));
            Assert.Contains(ReasonCodes.TagVersionLower, Monotonic.Ask(latest).Codes());
        }
    }

    [Fact]
    public void Tag_rules_do_not_apply_to_evidence_tags()
    {
        var input = Was(Question(CosignSignature).By(Signature), Notation);
        Assert.True(Immutable.Ask(input).Admits);
        Assert.True(Immutable.Ask(Was(Question(Index(CosignBundle), CosignBundle).By(Signature[..^4]), Notation)).Admits);
        Assert.False(Immutable.Ask(Was(Question(Index(HelmChart), HelmChart).By(Signature[..^4]), Notation)).Admits);
    }

    [Fact]
    public void Evidence_under_other_tags_is_an_artifact()
    {
        var wide = new RequireOptions { Limits = new() { MinAge = TimeSpan.FromDays(1) } };
        static RuleOptions Tagged(RuleOptions rule) => rule with { IncludeTags = ["v*", "sha256-*"] };
        Assert.False(wide.Ask(Question(CosignSignature).By("v1", Stage.Pull), Tagged).Admits);
        Assert.False(wide.Ask(Question(Index(CosignBundle), CosignBundle).By("v1", Stage.Pull), Tagged).Admits);
        Assert.True(wide.Ask(Question(CosignSignature).By("v1", Stage.Pull), r => Tagged(r) with { Kinds = [ManifestKind.Image] }).Admits);
        Assert.True(wide.Ask(Question(CosignSignature).By(Signature, Stage.Pull), Tagged).Admits);
        Assert.False(wide.Ask(Question(CosignSignature).By("v1", Stage.Pull)).Admits);
        Assert.True(wide.Ask(Question(CosignSignature).At(Stage.Pull)).Admits);
    }

    [Fact]
    public void Tag_rule_alone_does_not_prevent_default_deny()
    {
        var policy = PolicyOf(null, new RuleOptions { Id = "r", Kinds = [ManifestKind.Image], Require = Immutable }) with
        {
            Default = Outcome.Deny,
        };
        Assert.Equal([ReasonCodes.NoRuleDefault], new PolicyEngine(policy).Evaluate(Question(HelmChart).By("v1")).Codes());
        Assert.True(new PolicyEngine(policy).Evaluate(Question(Image).By("v1")).Admits);
    }

    [Fact]
    public void Image_under_an_evidence_tag_is_evaluated_as_an_image_too()
    {
        var types = PolicyOf(Types()) with { Default = Outcome.Allow };
        var verdict = new PolicyEngine(types).Evaluate(Question(Encrypted).By(Signature));
        Assert.Equal([ReasonCodes.TagReserved, ReasonCodes.TypeLayerNotAllowed], verdict.Codes());
    }

    [Fact]
    public void Referrers_index_is_accepted_whatever_it_lists_and_an_index_is_not_a_signature()
    {
        var fallback = Index(CosignBundle);
        var none = new RequireOptions();
        Assert.True(none.Ask(Question(fallback, CosignBundle).By(Signature[..^4])).Admits);
        Assert.True(none.Ask(Question(Index(HelmChart), HelmChart).By(Signature[..^4])).Admits);
        Assert.False(none.Ask(Question(Index(Image), Image).By(Signature)).Admits);
    }

    [Fact]
    public void Index_that_lists_only_evidence_is_evidence()
    {
        Assert.Equal(
            ManifestKind.Evidence, Question(Index(CosignBundle, Notation), CosignBundle, Notation).KindOf(Index(CosignBundle, Notation)));
        Assert.Equal(ManifestKind.Index, Question(Index(CosignBundle, Image), CosignBundle, Image).KindOf(Index(CosignBundle, Image)));
        Assert.Equal(ManifestKind.Index, Question(Index(CosignBundle)).KindOf(Index(CosignBundle)));
        Assert.Equal(ManifestKind.Index, Question(Index()).KindOf(Index()));
    }
}
