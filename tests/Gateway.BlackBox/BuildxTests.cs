using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// The pushes of <c>docker buildx build --push</c>: images by digest, their attestations by digest, and an index of all of them by tag.
/// </summary>
public sealed class BuildxTests : HoldScenario
{
    [Theory]
    [InlineData("cosign2")]
    [InlineData("cosign3")]
    public async Task Index_with_provenance_is_held_until_it_is_signed_and_stays_live_while_the_next_one_is_held(string cosign)
    {
        await StartAsync();
        var index = await BuildAndPushAsync("one");
        var children = await ChildrenAsync(index);
        var images = children.Where(child => child["annotations"] is null).Select(DigestOf).ToArray();
        Assert.Equal((2, 4), (images.Length, children.Length));
        await AssertSeenAsync(Pusher, "held/app:v1", index);
        foreach (var hidden in (string[])["held/app:v1", $"held/app@{index}", $"held/app@{images[0]}", $"held/app@{images[1]}"])
            await AssertHiddenAsync(hidden);
        await AssertNoBlobAsync(images[0]);

        (await SignAsync(cosign, "wrong", $"held/app@{index}")).Succeeded();
        await AssertHiddenAsync("held/app:v1");
        (await SignAsync(cosign, "good", $"held/app@{index}")).Succeeded();
        await AssertSeenAsync(Puller, "held/app:v1", index);
        foreach (var child in children)
            (await Puller.CraneAsync("manifest", "--insecure", At($"held/app@{DigestOf(child)}"))).Succeeded();
        (await Puller.CraneAsync(
            "pull", "--insecure", "--platform", "linux/arm64", At("held/app:v1"), Puller.Folder["pulled.tar"])).Succeeded();

        var next = await BuildAndPushAsync("two");
        Assert.NotEqual(index, next);
        await AssertSeenAsync(Puller, "held/app:v1", index);
        await AssertSeenAsync(Pusher, "held/app:v1", next);
        (await SignAsync(cosign, "good", $"held/app@{next}")).Succeeded();
        await AssertSeenAsync(Puller, "held/app:v1", next);
    }

    [Fact]
    public async Task Same_build_can_be_pushed_again_over_a_held_push()
    {
        await StartAsync();
        var first = await BuildAndPushAsync("one", "--provenance=false");

        Assert.Equal(first, await BuildAndPushAsync("one", "--provenance=false"));
        await AssertSeenAsync(Pusher, "held/app:v1", first);
        await AssertHiddenAsync("held/app:v1");
    }

    [Fact]
    public async Task Refused_push_shows_the_reason()
    {
        await StartAsync(onMissing: "deny");
        var page = new Page("buildkit.md");

        page.Explains("denied: policy", await BuildAsync("one"));
        File.Delete(Pusher.Folder["home/.docker/config.json"]);
        page.Explains("unauthorized: log in to this registry first", await BuildAsync("two"));
    }

    private async Task<string> BuildAndPushAsync(string text, string handling = "--provenance=mode=max")
    {
        (await BuildAsync(text, handling)).Succeeded();
        return JsonNode.Parse(await File.ReadAllTextAsync(Pusher.Folder["metadata.json"]))!["containerimage.digest"]!.GetValue<string>();
    }

    private async Task<Output> BuildAsync(string text, string handling = "--provenance=mode=max")
    {
        var docker = await DockerAsync(containerdStore: true);
        Pusher.Folder.Write("context/Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY hello /hello\nCOPY $TARGETARCH /arch\n");
        Pusher.Folder.Write("context/hello", text);
        Pusher.Folder.Write("context/amd64", "amd64 program");
        Pusher.Folder.Write("context/arm64", "arm64 program");
        return await docker.BuildAsync(
            "--platform", "linux/amd64,linux/arm64", handling, "--push", "--tag", At("held/app:v1"),
            "--metadata-file", Pusher.Folder["metadata.json"], Pusher.Folder["context"]);
    }

    private async Task<JsonNode[]> ChildrenAsync(string index)
    {
        var manifest = (await Pusher.CraneAsync("manifest", "--insecure", At($"held/app@{index}"))).Succeeded().Stdout;
        return [.. JsonNode.Parse(manifest)!["manifests"]!.AsArray().Select(child => child!)];
    }

    private static string DigestOf(JsonNode descriptor) => descriptor["digest"]!.GetValue<string>();

    private async Task AssertNoBlobAsync(string image)
    {
        var manifest = JsonNode.Parse((await Pusher.CraneAsync("manifest", "--insecure", At($"held/app@{image}"))).Succeeded().Stdout)!;
        var refused = (await Puller.CraneAsync("blob", "--insecure", At($"held/app@{DigestOf(manifest["config"]!)}"))).Failed();
        Assert.Contains("BLOB_UNKNOWN", refused.Text, StringComparison.Ordinal);
    }
}
