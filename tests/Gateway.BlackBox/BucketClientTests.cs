using System.Text;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Container engines and signers against three gateways on one bucket, each of whose requests another gateway answers.</summary>
public sealed class BucketClientTests(BucketFixture fixture) : ClientScenario(fixture), IClassFixture<BucketFixture>
{
    private readonly DeadEnd _internet = new();

    private OciLayout Layout(string text, string architecture = "amd64")
    {
        var layout = new OciLayout(Folder[$"image-{text}"]);
        layout.Tag("1", layout.AddImage(architecture, ("hello", Encoding.UTF8.GetBytes(text)), ("noise", OciLayout.Noise(7, 300_000))));
        return layout;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Image_that_docker_pushes_is_pulled_again(bool containerdStore)
    {
        var reference = At($"engines/docker-{containerdStore}:1".ToLowerInvariant());
        await using var docker = await Dockerd.StartAsync(Client, "{}", containerdStore, _internet.Url);
        var archive = Folder["image.tar"];
        (await Client.SkopeoAsync("copy", $"oci:{Layout("docker").Root}", $"docker-archive:{archive}:{reference}")).Succeeded();
        (await docker.RunAsync("load", "--input", archive)).Succeeded();

        (await docker.RunAsync("push", reference)).Succeeded();

        (await docker.RunAsync("rmi", reference)).Succeeded();
        (await docker.RunAsync("pull", reference)).Succeeded();
        if (!containerdStore) return;
        Folder.Write("context/Dockerfile", "FROM scratch\nCOPY hello /hello\n");
        Folder.Write("context/hello", "hello\n");
        var built = At("engines/buildx:1");
        (await docker.BuildAsync(
            "--platform", "linux/amd64,linux/arm64", "--provenance=mode=max", "--push", "--tag", built, Folder["context"])).Succeeded();
        (await docker.RunAsync("pull", built)).Succeeded();
    }

    [Fact]
    public async Task Image_that_containerd_pushes_is_pulled_by_ctr_and_by_a_kubelet()
    {
        var (first, second) = (At("engines/ctr:1"), At("engines/ctr:2"));
        (await Client.CraneAsync("push", "--insecure", Layout("ctr").Root, first)).Succeeded();
        await using var containerd = await Containerd.StartAsync(Client);
        containerd.Configure("_default", $"server = \"http://{Registry.Host}\"\ncapabilities = [\"pull\", \"resolve\"]\n");
        (await containerd.PullAsync(first)).Succeeded();
        (await containerd.CtrAsync("images", "tag", first, second)).Succeeded();

        (await containerd.CtrAsync("images", "push", "--plain-http", second)).Succeeded();

        (await containerd.CtrAsync("images", "rm", "--sync", first, second)).Succeeded();
        (await containerd.PullAsync(second)).Succeeded();
        var pulled = await containerd.PullAsKubeletAsync(second);
        Assert.True(pulled.Status == 0, $"{pulled.Message}\n{containerd.Log}");
        Assert.Equal(OciLayout.DigestsIn(Layout("ctr").Root), await containerd.ContentAsync("k8s.io"));
    }

    [Fact]
    public async Task Image_that_podman_pushes_is_pulled_by_its_digest()
    {
        var podman = new Podman(Client);
        var image = (await podman.RunAsync("pull", "--quiet", $"oci:{Layout("podman").Root}")).Succeeded().Stdout.Trim();

        (await podman.RunAsync(
            "push", "--tls-verify=false", "--digestfile", Folder["digest"], image, $"docker://{At("engines/podman:1")}")).Succeeded();

        await podman.ForgetAsync();
        (await podman.PullAsync($"{At("engines/podman")}@{File.ReadAllText(Folder["digest"])}", "--tls-verify=false")).Succeeded();
    }

    [Fact]
    public async Task Image_is_unpacked_by_apptainer_and_umoci()
    {
        var reference = At("engines/unpacked:1");
        (await Client.CraneAsync("push", "--insecure", Layout("unpacked").Root, reference)).Succeeded();

        // It prints this once it has extracted all layers. The next steps need an installation in /usr.
        var built = await Client.RunAsync("apptainer", "build", "--no-https", "--sandbox", Folder["sandbox"], $"docker://{reference}");
        Assert.Contains("Inserting Apptainer configuration", built.Text, StringComparison.Ordinal);
        (await Client.SkopeoAsync("copy", "--src-tls-verify=false", $"docker://{reference}", $"oci:{Folder["copy"]}:1")).Succeeded();
        (await Client.RunAsync("umoci", "raw", "unpack", "--rootless", "--image", $"{Folder["copy"]}:1", Folder["root"])).Succeeded();

        Assert.Equal("unpacked", File.ReadAllText(Folder["root/hello"]));
    }

    [Theory]
    [InlineData("--force-referrers-tag=false")]
    [InlineData("--force-referrers-tag=true")]
    public async Task Signature_of_notation_is_found_and_verifies(string where)
    {
        Client.Environment["XDG_CONFIG_HOME"] = Folder["home/.config"];
        var image = At($"signed/notation{where[^4..]}");
        (await Client.CraneAsync("push", "--insecure", Layout($"notation{where}").Root, $"{image}:1")).Succeeded();
        (await NotationAsync("cert", "generate-test", "good.example")).Succeeded();
        Folder.Write("home/.config/notation/trustpolicy.json", """
            { "version": "1.0", "trustPolicies": [ {
                "name": "all", "registryScopes": ["*"], "signatureVerification": { "level": "strict" },
                "trustStores": ["ca:good.example"], "trustedIdentities": ["x509.subject: C=US, ST=WA, O=Notary"] } ] }
            """);

        (await NotationAsync("sign", "--insecure-registry", "--key", "good.example", where, $"{image}:1")).Succeeded();

        (await NotationAsync("verify", "--insecure-registry", $"{image}:1")).Succeeded();
    }

    private Task<Output> NotationAsync(params string[] arguments) => Client.RunAsync("notation", arguments);
}
