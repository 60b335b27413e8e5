using System.Text;
using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Images of every form, by every client: the pulled bytes equal the pushed ones.</summary>
public class ImageTests(RegistryFixture fixture) : ClientScenario(fixture)
{
    [Theory]
    [InlineData("gzip")]
    [InlineData("zstd")]
    public async Task Skopeo_pulls_the_same_bytes_that_it_pushed(string compression)
    {
        var source = await ImageAsync(compression);
        var reference = $"docker://{At($"skopeo/{compression}:1")}";

        (await Client.SkopeoAsync("copy", "--preserve-digests", "--dest-tls-verify=false", $"oci:{source}:1", reference)).Succeeded();
        (await Client.SkopeoAsync(
            "copy", "--preserve-digests", "--src-tls-verify=false", reference, $"oci:{Folder["pulled"]}:1")).Succeeded();

        Assert.Equal(OciLayout.DigestsIn(source), OciLayout.DigestsIn(Folder["pulled"]));
        Assert.Equal(OciLayout.TopIn(source), OciLayout.TopIn(Folder["pulled"]));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("zstd")]
    public async Task Crane_pulls_the_same_bytes_that_it_pushed(string compression)
    {
        var source = await ImageAsync(compression);
        var reference = At($"crane/{compression}:1");

        (await Client.CraneAsync("push", "--insecure", source, reference)).Succeeded();
        (await Client.CraneAsync("pull", "--insecure", "--format", "oci", reference, Folder["pulled"])).Succeeded();

        Assert.Equal(OciLayout.DigestsIn(source), OciLayout.DigestsIn(Folder["pulled"]));
        Assert.Equal(OciLayout.TopIn(source), (await Client.CraneAsync("digest", "--insecure", reference)).Succeeded().Stdout.Trim());
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("zstd")]
    public async Task Oras_pulls_the_same_bytes_that_it_pushed(string compression)
    {
        var source = await ImageAsync(compression);
        var reference = At($"oras/{compression}:1");

        (await Client.OrasAsync("cp", "--from-oci-layout", "--to-plain-http", $"{source}:1", reference)).Succeeded();
        (await Client.OrasAsync("cp", "--from-plain-http", "--to-oci-layout", reference, $"{Folder["pulled"]}:1")).Succeeded();

        Assert.Equal(OciLayout.DigestsIn(source), OciLayout.DigestsIn(Folder["pulled"]));
        Assert.Equal(OciLayout.TopIn(source), OciLayout.TopIn(Folder["pulled"]));
    }

    [Fact]
    public async Task Crane_finds_a_pushed_image_valid()
    {
        var (layout, _) = OciLayout.SmallImage(Folder["image"]);

        (await Client.CraneAsync("push", "--insecure", layout.Root, At("crane/valid:1"))).Succeeded();

        (await Client.CraneAsync("validate", "--insecure", "--remote", At("crane/valid:1"))).Succeeded();
    }

    [Fact]
    public async Task Index_of_two_platforms_is_pushed_whole_and_each_platform_is_pulled()
    {
        var (layout, index, arm) = TwoPlatforms();
        var reference = At("multi/platform:1");

        (await Client.SkopeoAsync(
            "copy", "--all", "--preserve-digests", "--dest-tls-verify=false", $"oci:{layout.Root}:1", $"docker://{reference}")).Succeeded();

        Assert.Equal(index.Digest, (await Client.CraneAsync("digest", "--insecure", reference)).Succeeded().Stdout.Trim());
        var platform = await Client.CraneAsync("digest", "--insecure", "--platform", "linux/arm64", reference);
        Assert.Equal(arm.Digest, platform.Succeeded().Stdout.Trim());
        (await Client.SkopeoAsync(
            "--override-arch", "arm64", "copy", "--src-tls-verify=false", $"docker://{reference}", $"oci:{Folder["arm"]}:1")).Succeeded();
        Assert.Equal(arm.Digest, OciLayout.TopIn(Folder["arm"]));
        (await Client.SkopeoAsync(
            "copy", "--all", "--src-tls-verify=false", $"docker://{reference}", $"oci:{Folder["all"]}:1")).Succeeded();
        Assert.Equal(OciLayout.DigestsIn(layout.Root), OciLayout.DigestsIn(Folder["all"]));
    }

    [Fact]
    public async Task Docker_schema_2_image_and_list_keep_their_types()
    {
        var (layout, _, _) = TwoPlatforms();

        (await Client.SkopeoAsync(
            "copy", "--all", "--format", "v2s2", "--dest-tls-verify=false", $"oci:{layout.Root}:1",
            $"docker://{At("docker/list:1")}")).Succeeded();

        var list = JsonNode.Parse((await Client.CraneAsync("manifest", "--insecure", At("docker/list:1"))).Succeeded().Stdout)!;
        Assert.Equal("application/vnd.docker.distribution.manifest.list.v2+json", list["mediaType"]!.GetValue<string>());
        var image = JsonNode.Parse(
            (await Client.CraneAsync("manifest", "--insecure", "--platform", "linux/amd64", At("docker/list:1"))).Succeeded().Stdout)!;
        Assert.Equal("application/vnd.docker.distribution.manifest.v2+json", image["mediaType"]!.GetValue<string>());
        (await Client.CraneAsync("validate", "--insecure", "--remote", At("docker/list:1"))).Succeeded();
    }

    [Fact]
    public async Task Clients_see_retagged_and_deleted_tags()
    {
        var (layout, image) = OciLayout.SmallImage(Folder["image"]);
        (await Client.CraneAsync("push", "--insecure", layout.Root, At("retag/app:1"))).Succeeded();

        (await Client.CraneAsync("tag", "--insecure", At("retag/app:1"), "stable")).Succeeded();

        Assert.Equal(image.Digest, (await Client.CraneAsync("digest", "--insecure", At("retag/app:stable"))).Succeeded().Stdout.Trim());
        (await Client.SkopeoAsync("delete", "--tls-verify=false", $"docker://{At("retag/app:1")}")).Succeeded();
        (await Client.CraneAsync("digest", "--insecure", At("retag/app:stable"))).Failed();
    }

    private (OciLayout Layout, Described Index, Described Arm) TwoPlatforms()
    {
        var layout = new OciLayout(Folder["multi"]);
        var amd = layout.AddImage("amd64", ("bin/app", Encoding.UTF8.GetBytes("amd64 program")));
        var arm = layout.AddImage("arm64", ("bin/app", Encoding.UTF8.GetBytes("arm64 program")));
        var index = layout.AddIndex(("amd64", amd), ("arm64", arm));
        layout.Tag("1", index);
        return (layout, index, arm);
    }

    /// <summary>A layout tagged 1, with layers in the named compression; zstd is skopeo's own.</summary>
    private async Task<string> ImageAsync(string compression)
    {
        var (layout, _) = OciLayout.SmallImage(Folder["image"]);
        if (compression == "gzip")
            return layout.Root;
        (await Client.SkopeoAsync(
            "copy", "--dest-compress-format", compression, "--dest-force-compress-format", $"oci:{layout.Root}:1",
            $"oci:{Folder[compression]}:1")).Succeeded();
        return Folder[compression];
    }
}
