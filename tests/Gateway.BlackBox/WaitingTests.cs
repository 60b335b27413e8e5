using System.Text;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// Held pushes where anonymous may pull, with clients that send credentials only after a challenge: pushers see the held push and can push
/// over it, and anonymous clients get the same answer as any puller.
/// </summary>
public sealed class WaitingTests : HoldScenario
{
    private Dockerd _docker = null!;

    private async Task<Output> DockerAsync(params string[] arguments) => await _docker.RunAsync(arguments);

    private string Layout(string text)
    {
        var layout = new OciLayout(Pusher.Folder[$"image-{text}"]);
        layout.Tag("1", layout.AddImage("amd64", ("hello", Encoding.UTF8.GetBytes(text))));
        return layout.Root;
    }

    /// <summary>Adds an image to dockerd's store under this name.</summary>
    private async Task LoadAsync(string text, string reference)
    {
        var archive = Pusher.Folder[$"{text}.tar"];
        (await Pusher.SkopeoAsync("copy", $"oci:{Layout(text)}", $"docker-archive:{archive}:{At(reference)}")).Succeeded();
        (await DockerAsync("load", "--input", archive)).Succeeded();
    }

    private Task<Output> ImagetoolsAsync(params string[] arguments) => Pusher.RunAsync("docker-buildx", ["imagetools", .. arguments]);

    private async Task<string> DigestAsync(string reference) =>
        (await Pusher.CraneAsync("digest", "--insecure", At(reference))).Succeeded().Stdout.Trim();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Pusher_pulls_a_held_image_with_docker_by_tag_and_by_digest(bool containerdStore)
    {
        await StartAsync();
        _docker = await DockerAsync(containerdStore);
        await LoadAsync("one", "held/app:v1");
        (await DockerAsync("push", At("held/app:v1"))).Succeeded();
        (await DockerAsync("rmi", At("held/app:v1"))).Succeeded();

        (await DockerAsync("pull", At("held/app:v1"))).Succeeded();
        (await DockerAsync("pull", At($"held/app@{await DigestAsync("held/app:v1")}"))).Succeeded();
        await AssertHiddenAsync("held/app:v1");
    }

    [Fact]
    public async Task Image_admitted_under_another_tag_can_be_pushed_over_a_held_one()
    {
        await StartAsync();
        _docker = await DockerAsync(containerdStore: true);
        await LoadAsync("admitted", "held/app:v1");
        (await DockerAsync("push", At("held/app:v1"))).Succeeded();
        var admitted = await DigestAsync("held/app:v1");
        (await SignAsync("cosign3", "good", "held/app:v1")).Succeeded();
        (await Pusher.CraneAsync("push", "--insecure", Layout("waits"), At("held/app:v2"))).Succeeded();
        await AssertHiddenAsync("held/app:v2");

        (await DockerAsync("tag", At("held/app:v1"), At("held/app:v2"))).Succeeded();
        (await DockerAsync("push", At("held/app:v2"))).Succeeded();

        await AssertSeenAsync(Puller, "held/app:v2", admitted);
    }

    [Fact]
    public async Task Buildx_inspects_a_held_image_and_tags_an_admitted_one_over_it()
    {
        await StartAsync();
        foreach (var (text, tag) in new[] { ("admitted", "v1"), ("waits", "v2") })
            (await Pusher.CraneAsync("push", "--insecure", Layout(text), At($"held/app:{tag}"))).Succeeded();
        var (admitted, waits) = (await DigestAsync("held/app:v1"), await DigestAsync("held/app:v2"));

        Assert.Contains(waits, (await ImagetoolsAsync("inspect", At("held/app:v2"))).Succeeded().Text, StringComparison.Ordinal);
        (await SignAsync("cosign3", "good", "held/app:v1")).Succeeded();
        (await ImagetoolsAsync("create", "--prefer-index=false", "--tag", At("held/app:v2"), At("held/app:v1"))).Succeeded();

        await AssertSeenAsync(Puller, "held/app:v2", admitted);
        // A tag that anonymous may pull is served without a challenge. The held push beside it is pulled by its digest.
        (await Pusher.CraneAsync("push", "--insecure", Layout("waits"), At("held/app:v2"))).Succeeded();
        await AssertSeenAsync(Pusher, "held/app:v2", waits);
        Assert.Contains(admitted, (await ImagetoolsAsync("inspect", At("held/app:v2"))).Succeeded().Text, StringComparison.Ordinal);
        Assert.Contains(waits, (await ImagetoolsAsync("inspect", At($"held/app@{waits}"))).Succeeded().Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("crane", "DENIED: pending since")]
    [InlineData("skopeo", "denied: pending since")]
    [InlineData("oras", "denied: pending since")]
    [InlineData("podman", "denied: pending since")]
    [InlineData("docker", "denied: pending since")]
    [InlineData("docker with containerd's store", ": 403 Forbidden")]
    [InlineData("containerd", ": 403 Forbidden")]
    [InlineData("helm", "denied: pending since")]
    [InlineData("notation", "403")]
    [InlineData("buildx", ": 403 Forbidden")]
    public async Task Anonymous_clients_get_the_reason_of_the_policy_and_no_login_prompt(string client, string message)
    {
        await StartAsync();
        (await Pusher.CraneAsync("push", "--insecure", Layout("one"), At("held/app:v1"))).Succeeded();

        var refused = (await StrangerAsync(client, At("held/app:v1"))).Failed();

        Assert.Contains(message, refused.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("log in to this registry", refused.Text, StringComparison.Ordinal);
        // A client without credentials is challenged once, and continues with an anonymous token.
        var asked = Gateway.Log.Split('\n').Count(line =>
            line.Contains("\"route\":\"manifest\"", StringComparison.Ordinal) && line.Contains("\"status\":401", StringComparison.Ordinal));
        Assert.InRange(asked, 0, 1);
    }

    private async Task<Output> StrangerAsync(string client, string image)
    {
        switch (client)
        {
            case "crane":
                return await Puller.CraneAsync("pull", "--insecure", image, Puller.Folder["pulled.tar"]);
            case "skopeo":
                return await Puller.SkopeoAsync("copy", "--src-tls-verify=false", $"docker://{image}", $"dir:{Puller.Folder["pulled"]}");
            case "oras":
                return await Puller.OrasAsync("pull", "--plain-http", image);
            case "podman":
                return await new Podman(Puller).RunAsync("pull", "--tls-verify=false", image);
            case "helm":
                return await Puller.HelmAsync("pull", "--plain-http", $"oci://{image[..image.LastIndexOf(':')]}", "--version", "v1");
            case "notation":
                return await Puller.RunAsync("notation", "ls", "--insecure-registry", image);
            case "buildx":
                return await Puller.RunAsync("docker-buildx", "imagetools", "inspect", image);
            case "containerd":
                await using (var containerd = await Containerd.StartAsync(Puller))
                    return await containerd.PullAsync(image);
            default:
                _docker = await DockerAsync(containerdStore: client != "docker");
                File.Delete(Pusher.Folder["home/.docker/config.json"]);
                return await DockerAsync("pull", image);
        }
    }
}
