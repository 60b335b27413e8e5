using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Artifacts that are attached to an image and discovered again.</summary>
public class ReferrerTests(RegistryFixture fixture) : ClientScenario(fixture)
{
    [Fact]
    public async Task Attached_artifacts_are_discovered_by_type()
    {
        var image = await PushAsync("referrers/attached");
        Folder.Write("sbom.json", "{}");

        (await Client.OrasAsync(
            "attach", "--plain-http", "--artifact-type", "application/vnd.example.sbom", image, "sbom.json:application/json")).Succeeded();
        (await Client.OrasAsync(
            "attach", "--plain-http", "--artifact-type", "application/vnd.example.scan", image, "sbom.json:application/json")).Succeeded();

        Assert.Equal(["application/vnd.example.sbom", "application/vnd.example.scan"], await DiscoverAsync(image));
        Assert.Equal(["application/vnd.example.scan"], await DiscoverAsync(image, "--artifact-type", "application/vnd.example.scan"));
    }

    [Fact]
    public async Task Artifact_that_a_client_lists_under_a_fallback_tag_is_found_once()
    {
        var image = await PushAsync("referrers/fallback");
        Folder.Write("sbom.json", "{}");

        (await Client.OrasAsync(
            "attach", "--plain-http", "--distribution-spec", "v1.1-referrers-tag", "--artifact-type", "application/vnd.example.old", image,
            "sbom.json:application/json")).Succeeded();

        Assert.Equal(["application/vnd.example.old"], await DiscoverAsync(image));
    }

    [Fact]
    public async Task Copy_with_referrers_copies_the_referrers()
    {
        var image = await PushAsync("referrers/source");
        Folder.Write("sbom.json", "{}");
        (await Client.OrasAsync(
            "attach", "--plain-http", "--artifact-type", "application/vnd.example.sbom", image, "sbom.json:application/json")).Succeeded();

        (await Client.OrasAsync("cp", "-r", "--from-plain-http", "--to-plain-http", image, At("referrers/copy:1"))).Succeeded();

        Assert.Equal(["application/vnd.example.sbom"], await DiscoverAsync(At("referrers/copy:1")));
    }

    [Fact]
    public async Task Deleted_referrer_is_no_longer_listed()
    {
        var image = await PushAsync("referrers/deleted");
        Folder.Write("sbom.json", "{}");
        var attached = await Client.OrasAsync(
            "attach", "--plain-http", "--artifact-type", "application/vnd.example.sbom", "--format", "json", image,
            "sbom.json:application/json");
        var referrer = JsonNode.Parse(attached.Succeeded().Stdout)!["reference"]!.GetValue<string>();

        (await Client.OrasAsync("manifest", "delete", "--plain-http", "--force", referrer)).Succeeded();

        Assert.Empty(await DiscoverAsync(image));
    }

    private async Task<string> PushAsync(string repository)
    {
        var (layout, image) = OciLayout.SmallImage(Folder["image"]);
        (await Client.CraneAsync("push", "--insecure", layout.Root, At($"{repository}:1"))).Succeeded();
        return At($"{repository}@{image.Digest}");
    }

    private async Task<string[]> DiscoverAsync(string image, params string[] options)
    {
        var output = await Client.OrasAsync(["discover", "--plain-http", "--format", "json", .. options, image]);
        var referrers = JsonNode.Parse(output.Succeeded().Stdout)!["referrers"]?.AsArray() ?? [];
        return [.. referrers.Select(referrer => referrer!["artifactType"]!.GetValue<string>()).Order()];
    }
}
