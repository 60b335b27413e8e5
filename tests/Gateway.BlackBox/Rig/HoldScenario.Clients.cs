using System.Text;
using System.Text.RegularExpressions;

namespace Gateway.BlackBox.Rig;

/// <summary>Pushes by the clients that people use.</summary>
public abstract partial class HoldScenario
{
    [GeneratedRegex("digest: (sha256:[0-9a-f]{64})")]
    private static partial Regex PushedDigest();

    private protected async Task<string> PushAsync(string client, string reference, string text)
    {
        var layout = new OciLayout(Pusher.Folder[$"image-{text}"]);
        var image = layout.AddImage("amd64", ("hello", Encoding.UTF8.GetBytes(text)));
        layout.Tag("1", image);
        var pushed = client switch
        {
            "skopeo" => await Pusher.SkopeoAsync(
                "copy", "--dest-tls-verify=false", "--dest-creds", $"ci:{Password}", $"oci:{layout.Root}", $"docker://{At(reference)}"),
            "podman" => await PodmanPushAsync(layout.Root, reference),
            "docker" or "docker with containerd's store" => await DockerPushAsync(client, layout.Root, reference),
            "oras" => await Pusher.OrasAsync("cp", "--from-oci-layout", "--to-plain-http", $"{layout.Root}@{image.Digest}", At(reference)),
            _ => await Pusher.CraneAsync("push", "--insecure", layout.Root, At(reference)),
        };
        pushed.Succeeded();
        // podman and docker write manifests of their own.
        return client == "podman" ? (await File.ReadAllTextAsync(Pusher.Folder["pushed"])).Trim()
            : client.StartsWith("docker", StringComparison.Ordinal) ? PushedDigest().Match(pushed.Text).Groups[1].Value
            : image.Digest;
    }

    private async Task<Output> DockerPushAsync(string client, string layout, string reference)
    {
        var docker = await DockerAsync(containerdStore: client != "docker");
        var archive = $"{layout}.tar";
        (await Pusher.SkopeoAsync("copy", $"oci:{layout}", $"docker-archive:{archive}:{At(reference)}")).Succeeded();
        (await docker.RunAsync("load", "--input", archive)).Succeeded();
        return await docker.RunAsync("push", At(reference));
    }

    private async Task<Output> PodmanPushAsync(string layout, string reference)
    {
        var podman = new Podman(Pusher);
        var image = (await podman.RunAsync("pull", "--quiet", $"oci:{layout}")).Succeeded().Stdout.Trim();
        return await podman.RunAsync(
            "push", "--tls-verify=false", "--creds", $"ci:{Password}", "--digestfile", Pusher.Folder["pushed"], image,
            $"docker://{At(reference)}");
    }

    /// <summary>
    /// Pushes an image, which a wrong signature does not release and a right one does; then another image under the same tag.
    /// </summary>
    private protected async Task HoldAndReleaseAsync(string client, string cosign)
    {
        await StartAsync();
        var digest = await PushAsync(client, "held/app:v1", "one");
        await AssertHiddenAsync("held/app:v1");
        await AssertHiddenAsync($"held/app@{digest}");
        Assert.DoesNotContain("v1", (await Puller.CraneAsync("ls", "--insecure", At("held/app"))).Text, StringComparison.Ordinal);
        await AssertSeenAsync(Pusher, "held/app:v1", digest);

        (await SignAsync(cosign, "wrong", "held/app:v1")).Succeeded();
        await AssertHiddenAsync("held/app:v1");

        (await SignAsync(cosign, "good", "held/app:v1")).Succeeded();
        await AssertSeenAsync(Puller, "held/app:v1", digest);
        (await Puller.CraneAsync("pull", "--insecure", At("held/app:v1"), Puller.Folder["pulled.tar"])).Succeeded();
        (await Puller.RunAsync(
            cosign, "verify", "--allow-http-registry", "--insecure-ignore-tlog=true", "--key", Pusher.Folder["good.pub"],
            At($"held/app@{digest}")))
            .Succeeded();

        var next = await PushAsync(client, "held/app:v1", "two");
        await AssertSeenAsync(Puller, "held/app:v1", digest);
        await AssertSeenAsync(Pusher, "held/app:v1", next);
        (await SignAsync(cosign, "good", $"held/app@{next}")).Succeeded();
        await AssertSeenAsync(Puller, "held/app:v1", next);
    }
}
