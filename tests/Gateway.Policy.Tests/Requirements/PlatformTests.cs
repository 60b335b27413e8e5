using Gateway.Oci;
using Xunit;
using static Gateway.Policy.Tests.Requirements.Asking;
using static Gateway.Policy.Tests.Sample;

namespace Gateway.Policy.Tests.Requirements;

/// <summary>Required platforms and allowed operating systems.</summary>
public sealed class PlatformTests
{
    private static readonly Manifest Amd = Artifact(MediaTypes.OciConfig, Gzip);
    private static readonly Manifest Arm = Artifact(MediaTypes.OciConfig, Zstd);
    private static readonly Manifest Attestation = Artifact(MediaTypes.OciConfig, "application/vnd.in-toto+json");

    private static readonly RequireOptions Both = new() { Platforms = new() { MustInclude = ["linux/amd64", "linux/arm64"] } };
    private static readonly RequireOptions Linux = new() { Platforms = new() { OnlyOs = ["linux"] } };

    private static (Manifest, ImageConfig)[] Truth => [(Amd, Runs("linux", "amd64")), (Arm, Runs("linux", "arm64", "v8"))];

    [Fact]
    public void Index_of_all_platforms_is_admitted_and_its_attestations_do_not_count()
    {
        var input = Question(Index(Amd, Arm, Attestation), Amd, Arm, Attestation).WithConfigs(Truth);
        Assert.True(Both.Ask(input).Admits);
        Assert.True(Linux.Ask(input).Admits);
    }

    [Fact]
    public void Missing_platform_is_named_in_the_message()
    {
        var reason = Assert.Single(Both.Ask(Question(Index(Amd), Amd).WithConfigs(Truth)).Reasons);
        Assert.Equal(
            (ReasonCodes.PlatformMissing, "linux/amd64, linux/arm64", "linux/amd64"), (reason.Code, reason.Expected, reason.Found));
        Assert.Contains("it offers linux/amd64, not linux/arm64", reason.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Refusal_says_that_the_image_names_no_platform() => Assert.Contains(
        "it offers no platform, not linux/amd64",
        Both.Ask(Question(Index(Amd), Amd).WithConfigs((Amd, Runs("", "")))).Reasons[0].Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("linux/arm64", true)]
    [InlineData("linux/arm64/v8", true)]
    [InlineData("linux/arm64/v9", false)]
    [InlineData("linux/arm", false)]
    public void Variant_is_compared_only_when_the_rule_names_one(string wanted, bool admitted) => Assert.Equal(
        admitted,
        new RequireOptions { Platforms = new() { MustInclude = [wanted] } }.Ask(Question(Index(Arm), Arm).WithConfigs(Truth)).Admits);

    [Fact]
    public void Platform_of_an_image_is_read_from_its_config_not_from_the_index()
    {
        var child = Descriptor(MediaTypes.OciManifest) with { Digest = DigestOf(Amd), Platform = new("linux", "arm64", null) };
        var lying = Index(Amd) with { Children = [child] };
        Assert.False(
            new RequireOptions { Platforms = new() { MustInclude = ["linux/arm64"] } }.Ask(Question(lying, Amd).WithConfigs(Truth)).Admits);
    }

    [Fact]
    public void Platform_of_an_absent_image_is_read_from_the_index_entry()
    {
        var index = Index() with
        {
            Children =
            [
                Descriptor(MediaTypes.OciManifest) with { Platform = new("linux", "amd64", null) },
                Descriptor(MediaTypes.DockerManifest) with { Platform = new("linux", "arm64", "v8") },
                Descriptor("a/b") with { Platform = new("unknown", "unknown", null) },
            ],
        };
        Assert.True(Both.Ask(Question(index)).Admits);
        Assert.True(Linux.Ask(Question(index)).Admits);
    }

    [Fact]
    public void Index_entry_does_not_replace_an_unreadable_config_of_a_stored_image()
    {
        var entry = Descriptor(MediaTypes.OciManifest) with { Digest = DigestOf(Amd), Platform = new("linux", "amd64", null) };
        var index = Index(Amd, Arm) with { Children = [entry, .. Index(Arm).Children] };
        var input = Question(index, Amd, Arm).WithConfigs((Arm, Runs("linux", "arm64")));
        Assert.Equal([ReasonCodes.PlatformOs], Linux.Ask(input).Codes());
        Assert.Equal([ReasonCodes.PlatformMissing], Both.Ask(input).Codes());
    }

    [Fact]
    public void Image_pulled_by_digest_does_not_need_every_platform()
    {
        var image = Question(Amd).WithConfigs(Truth);
        Assert.True(Both.Ask(image.At(Stage.Pull)).Admits);
        Assert.False(Both.Ask(image.By("v1")).Admits);
        Assert.True(Both.Ask(image).OfBinding);
        Assert.False(Linux.Ask(image.At(Stage.Pull)).OfBinding);
    }

    [Fact]
    public void Operating_system_that_is_not_listed_is_refused()
    {
        var windows = Question(Index(Amd, Arm), Amd, Arm).WithConfigs((Amd, Runs("linux", "amd64")), (Arm, Runs("windows", "amd64")));
        var reason = Assert.Single(Linux.Ask(windows).Reasons);
        Assert.Equal((ReasonCodes.PlatformOs, DigestOf(Arm).ToString(), "'windows'"), (reason.Code, reason.Path, reason.Found));
        Assert.False(Linux.Ask(Question(Arm).WithConfigs((Arm, Runs("windows", "amd64")))).Admits);
        Assert.False(Linux.Ask(Question(Arm).WithConfigs((Arm, Runs("Linux", "amd64")))).Admits);
    }

    [Fact]
    public void Image_of_an_unknown_operating_system_is_refused_and_an_artifact_is_not()
    {
        Assert.Equal([ReasonCodes.PlatformOs], Linux.Ask(Question(Amd)).Codes());
        Assert.True(Linux.Ask(Question(HelmChart)).Admits);
        Assert.True(Both.Ask(Question(HelmChart).By("1.0.0")).Admits);
    }

    [Fact]
    public void Images_below_a_nested_index_count()
    {
        var inner = Index(Arm);
        Assert.True(Both.Ask(Question(Index(Amd, inner), Amd, inner, Arm).WithConfigs(Truth)).Admits);
    }

    [Fact]
    public void Configs_are_needed_only_by_rules_that_read_them()
    {
        var engine = new PolicyEngine(PolicyOf(null, new RuleOptions { Id = "r", Repositories = ["prod/**"], Require = Linux }));
        Assert.Equal(FactKinds.None, engine.Needs(Question(Amd)));
        Assert.Equal(FactKinds.Configs, engine.Needs(Question(Amd) with { Repository = RepositoryName.Parse("prod/a") }));
        Assert.Equal(FactKinds.None, engine.Needs(Question(CosignBundle) with { Repository = RepositoryName.Parse("prod/a") }));
    }
}
