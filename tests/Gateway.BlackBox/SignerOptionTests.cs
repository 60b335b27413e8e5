using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Held pushes are released by signatures that people make with the less usual options of their tools.</summary>
public sealed class SignerOptionTests : HoldScenario
{
    [Theory]
    [InlineData("cosign2", "--recursive")]
    [InlineData("cosign3", "--recursive")]
    [InlineData("cosign2", "--record-creation-timestamp", "--annotations", "build=7", "--sign-container-identity", "example.com/app:1")]
    [InlineData("cosign2", "--registry-referrers-mode", "oci-1-1")]
    [InlineData("cosign3", "--new-bundle-format=false", "--registry-referrers-mode", "oci-1-1")]
    public async Task Index_and_its_image_are_released_by_a_signature_with_options(string cosign, params string[] options)
    {
        await StartAsync();
        var (index, image) = await PushIndexAsync();
        Pusher.Environment["COSIGN_EXPERIMENTAL"] = "1";

        (await SignAsync(cosign, "good", $"held/app@{index}", options)).Succeeded();

        await AssertSeenAsync(Puller, "held/app:v1", index);
        await AssertSeenAsync(Puller, $"held/app@{image}", image);
    }

    private async Task<(string Index, string Image)> PushIndexAsync()
    {
        var layout = new OciLayout(Pusher.Folder["image"]);
        var (amd, arm) = (layout.AddImage("amd64", ("hello", "one"u8.ToArray())), layout.AddImage("arm64", ("hello", "two"u8.ToArray())));
        var index = layout.AddIndex(("amd64", amd), ("arm64", arm));
        layout.Tag("1", index);
        (await Pusher.CraneAsync("push", "--insecure", layout.Root, At("held/app:v1"))).Succeeded();
        await AssertHiddenAsync("held/app:v1");
        return (index.Digest, amd.Digest);
    }
}
