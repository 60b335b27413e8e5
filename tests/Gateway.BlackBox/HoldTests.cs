using System.Diagnostics;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// A push is held until it is signed, with the clients and signers that people use: pullers see nothing of it, pushers see what they
/// pushed, and the signature releases it.
/// </summary>
public sealed class HoldTests : HoldScenario
{
    [Theory]
    [InlineData("crane", "cosign2")]
    [InlineData("crane", "cosign3")]
    [InlineData("skopeo", "cosign2")]
    [InlineData("skopeo", "cosign3")]
    [InlineData("oras", "cosign2")]
    [InlineData("oras", "cosign3")]
    [InlineData("podman", "cosign3")]
    [InlineData("docker", "cosign2")]
    [InlineData("docker with containerd's store", "cosign3")]
    public Task Push_is_held_after_a_wrong_signature_and_released_by_a_right_one(string client, string cosign) =>
        HoldAndReleaseAsync(client, cosign);

    [Fact]
    public async Task Helm_chart_is_held_until_it_is_signed()
    {
        await StartAsync();
        Pusher.Folder.Write("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.2.3\n");
        (await Pusher.HelmAsync("package", Pusher.Folder["web"])).Succeeded();
        (await Pusher.HelmAsync("registry", "login", "--plain-http", "--username", "ci", "--password", Password, Gateway.Host)).Succeeded();
        (await Pusher.HelmAsync("push", "--plain-http", Pusher.Folder["web-1.2.3.tgz"], $"oci://{At("held")}")).Succeeded();
        Assert.Contains("DENIED", (await PullAsync()).Failed().Text, StringComparison.OrdinalIgnoreCase);

        (await SignAsync("cosign3", "good", "held/web:1.2.3")).Succeeded();
        (await PullAsync()).Succeeded();
        Assert.Equal(
            await File.ReadAllBytesAsync(Pusher.Folder["web-1.2.3.tgz"]),
            await File.ReadAllBytesAsync(Puller.Folder["home/web-1.2.3.tgz"]));

        Task<Output> PullAsync() => Puller.HelmAsync(
            "pull", "--plain-http", $"oci://{At("held/web")}", "--version", "1.2.3", "--destination", Puller.Folder["home"]);
    }

    [Fact]
    public async Task Image_is_accepted_in_a_signed_only_repository_when_its_signature_was_pushed_first()
    {
        await StartAsync(onMissing: "deny");
        var layout = new OciLayout(Pusher.Folder["image"]);
        var image = layout.AddImage("amd64", ("hello", "one"u8.ToArray()));
        layout.Tag("1", image);
        (await Pusher.CraneAsync("push", "--insecure", layout.Root, At("held/app:v1"))).Failed();

        (await SignAsync("cosign2", "good", $"held/app@{image.Digest}")).Succeeded();
        (await Pusher.CraneAsync("push", "--insecure", layout.Root, At("held/app:v1"))).Succeeded();
        await AssertSeenAsync(Puller, "held/app:v1", image.Digest);
    }

    [Fact]
    public async Task Held_push_survives_a_kill_and_another_registry_on_the_volume_sees_only_live_tags()
    {
        var volume = Pusher.Folder["volume"];
        await StartAsync(storage: volume);
        var live = await PushAsync("crane", "held/app:v1", "one");
        (await SignAsync("cosign2", "good", "held/app:v1")).Succeeded();
        var next = await PushAsync("crane", "held/app:v1", "two");
        await PushAsync("crane", "held/app:v2", "two");

        await Gateway.Server.KillAsync();
        await Gateway.StartAgainAsync();
        await AssertSeenAsync(Puller, "held/app:v1", live);
        await AssertSeenAsync(Pusher, "held/app:v1", next);
        await Gateway.Server.StopAsync();

        await using (var theirs = await DockerRegistry.StartAsync(volume))
        {
            var tags = (await Puller.CraneAsync("ls", "--insecure", $"{theirs.Host}/held/app")).Succeeded().Stdout.Split('\n');
            Assert.Equal(["v1"], tags.Where(tag => tag.StartsWith('v')));
            Assert.Equal(live, (await Puller.CraneAsync("digest", "--insecure", $"{theirs.Host}/held/app:v1")).Succeeded().Stdout.Trim());
        }

        await Gateway.StartAgainAsync();
        (await SignAsync("cosign3", "good", "held/app:v2")).Succeeded();
        await AssertSeenAsync(Puller, "held/app:v1", next);
        await AssertSeenAsync(Puller, "held/app:v2", next);
    }

    [Fact]
    public async Task Promotion_by_the_command_line_copies_the_signature()
    {
        await StartAsync(onMissing: "deny");
        var digest = await PushAsync("crane", "stage/app:v1", "one");
        var (code, text) = await PromoteAsync(digest);
        Assert.NotEqual(0, code);
        Assert.Contains("signature", text, StringComparison.Ordinal);
        (await SignAsync("cosign3", "good", $"stage/app@{digest}")).Succeeded();
        Assert.Equal((0, $"held/app:v1 is now {digest}\n"), await PromoteAsync(digest));

        await AssertSeenAsync(Puller, "held/app:v1", digest);
        (await Puller.RunAsync(
            "cosign3", "verify", "--allow-http-registry", "--insecure-ignore-tlog=true", "--key", Pusher.Folder["good.pub"],
            At("held/app:v1")))
            .Succeeded();
    }

    private async Task<(int Code, string Text)> PromoteAsync(string digest)
    {
        string[] arguments =
        [
            GatewayProcess.Assembly, "promote", "--server", $"http://{Gateway.Host}", "--user", "ci",
            $"stage/app@{digest}", "held/app:v1",
        ];
        var start = new ProcessStartInfo("dotnet", arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["GATEWAY_PASSWORD"] = Password;
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, await output + await error);
    }
}
