using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// <c>cosign copy</c> into a repository that holds unsigned images: it tags the image with its own digest, and copies the tags of evidence
/// about it. It does not copy bundles of cosign 3, which have no tag.
/// </summary>
public sealed class CosignCopyTests : HoldScenario
{
    [Theory]
    [InlineData("cosign2")]
    [InlineData("cosign3")]
    public async Task Signed_image_is_copied_with_its_signature_and_released(string cosign)
    {
        await StartAsync();
        var (layout, image) = OciLayout.SmallImage(Pusher.Folder["image"]);
        (await Pusher.CraneAsync("push", "--insecure", layout.Root, At("open/app:1"))).Succeeded();
        (await SignAsync("cosign2", "good", $"open/app@{image.Digest}")).Succeeded();

        (await Pusher.RunAsync(cosign, "copy", "--allow-http-registry", At("open/app:1"), At("held/app:1"))).Succeeded();

        await AssertSeenAsync(Puller, "held/app:1", image.Digest);
        await AssertSeenAsync(Puller, $"held/app@{image.Digest}", image.Digest);
    }

    [Fact]
    public async Task Unsigned_image_is_copied_and_held()
    {
        await StartAsync();
        var (layout, image) = OciLayout.SmallImage(Pusher.Folder["image"]);
        (await Pusher.CraneAsync("push", "--insecure", layout.Root, At("open/app:1"))).Succeeded();

        (await Pusher.RunAsync("cosign2", "copy", "--allow-http-registry", At("open/app:1"), At("held/app:1"))).Succeeded();

        await AssertHiddenAsync("held/app:1");
        await AssertHiddenAsync($"held/app:sha256-{image.Digest[7..]}");
    }
}
