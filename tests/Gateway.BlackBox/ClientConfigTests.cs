using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// The files that <c>gateway client-config</c> prints, used unchanged by the real clients. The origin counts requests that bypass the
/// gateway.
/// </summary>
public sealed class ClientConfigTests(MirrorFixture fixture) : MirrorScenario(fixture)
{
    private const string Enforce = "--enforce";

    [Fact]
    public async Task Enforced_containerd_pulls_through_the_gateway_and_gets_nothing_that_the_gateway_refuses()
    {
        await using var containerd = await Containerd.StartAsync(Client);
        Install(containerd, await PrintAsync("containerd", Enforce));

        (await containerd.PullAsync($"{Origin.Host}/{Image}:1")).Succeeded();
        (await containerd.PullAsync($"{Origin.Host}/{Refused}:1")).Failed();

        await Gateway.Server.SaysAsync($"\"ns\":\"{Origin.Host}\"");
        Assert.Empty(await AskedPastTheGatewayAsync());
    }

    [Fact]
    public async Task Enforced_containerd_fails_while_the_gateway_is_down_and_the_open_form_asks_the_registry()
    {
        await using var containerd = await Containerd.StartAsync(Client);
        Install(containerd, await PrintAsync("containerd", Enforce, "--address", Nobody));
        (await containerd.PullAsync($"{Origin.Host}/{Image}:1")).Failed();
        Assert.NotEqual(0, (await containerd.PullAsKubeletAsync($"{Origin.Host}/{Image}:1")).Status);
        Assert.Empty(await AskedPastTheGatewayAsync());

        Directory.Delete(containerd.Hosts, recursive: true);
        Install(containerd, await PrintAsync("containerd", "--address", Nobody));
        (await containerd.PullAsync($"{Origin.Host}/{Image}:1")).Succeeded();
        Assert.NotEmpty(await AskedPastTheGatewayAsync());
    }

    [Fact]
    public async Task Open_containerd_pulls_through_the_gateway_while_it_runs()
    {
        await using var containerd = await Containerd.StartAsync(Client);
        Install(containerd, await PrintAsync("containerd"));

        (await containerd.PullAsync($"{Origin.Host}/{Image}:1")).Succeeded();

        Assert.Empty(await AskedPastTheGatewayAsync());
    }

    [Theory]
    [InlineData("podman")]
    [InlineData("crio")] // reads the same files with the same library
    public async Task Enforced_podman_pulls_through_the_gateway_and_from_no_other_registry(string client)
    {
        await using var other = await DockerRegistry.StartAsync();
        (await Client.CraneAsync("push", "--insecure", Fixture.Layout.Root, $"{other.Host}/{Image}:1")).Succeeded();
        var podman = Podman(await PrintAsync(client, Enforce));

        (await podman.PullAsync($"{Origin.Host}/{Image}:1")).Succeeded();
        var refused = (await podman.PullAsync($"{Origin.Host}/{Refused}:1")).Failed();
        var unnamed = (await podman.PullAsync($"{other.Host}/{Image}:1", "--tls-verify=false")).Failed();

        Assert.Contains("denied: policy", refused.Text, StringComparison.Ordinal);
        Assert.Contains("rejected by policy", unnamed.Text, StringComparison.Ordinal);
        Assert.Empty(await AskedPastTheGatewayAsync());
    }

    [Fact]
    public async Task Enforced_podman_fails_while_the_gateway_is_down_and_the_open_form_asks_the_registry()
    {
        var podman = Podman(await PrintAsync("podman", Enforce, "--address", Nobody));
        (await podman.PullAsync($"{Origin.Host}/{Image}:1", "--tls-verify=false")).Failed();
        Assert.Empty(await AskedPastTheGatewayAsync());

        podman = Podman(await PrintAsync("podman", "--address", Nobody));
        (await podman.PullAsync($"{Origin.Host}/{Image}:1", "--tls-verify=false")).Succeeded();
        Assert.NotEmpty(await AskedPastTheGatewayAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Enforced_dockerd_gets_nothing_past_the_gateway_with_either_store(bool containerdStore)
    {
        await using var hub = await GatewayProcess.StartAsync(Fixture.Configuration("""
            routes:
              - { prefix: docker.io, upstream: docker.io }
              - { prefix: "", upstream: docker.io }
            """));
        using var internet = new DeadEnd();
        var files = await PrintedFiles.OfAsync(Client, hub, "docker", Enforce);
        // In place of a port at which nothing listens: a proxy that says which hosts were wanted, and forwards nothing.
        var daemon = files["/etc/docker/daemon.json"].Replace("http://127.0.0.1:9", internet.Url, StringComparison.Ordinal);
        await using var docker = await Dockerd.StartAsync(Client, daemon, containerdStore, proxy: null);
        foreach (var (path, content) in files.Below("/etc/docker/certs.d")) docker.Configure(path, content);

        (await docker.RunAsync("pull", "app:1")).Succeeded();
        (await docker.RunAsync("pull", "other:1")).Failed();

        // dockerd's own store still tries Docker Hub, and cannot reach it.
        Assert.Equal(containerdStore ? [] : ["registry-1.docker.io:443"], internet.Wanted.Distinct());
        Assert.Empty(await AskedPastTheGatewayAsync());
    }

    [Fact]
    public async Task Chart_is_pulled_from_the_address_that_is_printed_for_helm()
    {
        var printed = (await PrintAsync("helm"))["Chart.yaml"];
        Client.Folder.Write("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n");
        (await Client.HelmAsync("package", Folder["web"])).Succeeded();
        (await Client.HelmAsync("push", "--plain-http", Folder["web-1.0.0.tgz"], $"oci://{Origin.Host}/team/charts")).Succeeded();
        var address = printed.Split('"').Single(part => part.StartsWith($"oci://{Gateway.Host}/corp/", StringComparison.Ordinal));
        Client.Folder.Write("app/Chart.yaml", $"""
            apiVersion: v2
            name: app
            version: 1.0.0
            dependencies:
              - name: web
                version: 1.0.0
                repository: "{address.Replace("PATH", "team/charts", StringComparison.Ordinal)}"
            """);
        Client.Environment["SSL_CERT_FILE"] = Authority.AuthorityFile;

        (await Client.HelmAsync("dependency", "update", Folder["app"])).Succeeded();

        Assert.True(File.Exists(Folder["app/charts/web-1.0.0.tgz"]));
    }

    private static string Nobody => $"https://127.0.0.1:{FreePorts.Next()}";

    private Task<PrintedFiles> PrintAsync(params string[] arguments) =>
        PrintedFiles.OfAsync(Client, Gateway, [.. arguments, "--ca", Authority.AuthorityFile]);

    private static void Install(Containerd containerd, PrintedFiles files)
    {
        foreach (var (path, content) in files.Below("/etc/containerd/certs.d"))
            containerd.Configure(Path.GetDirectoryName(path)!, content);
    }

    private Podman Podman(PrintedFiles files)
    {
        var podman = new Podman(Client);
        podman.Trust(Gateway.Host, Authority);
        podman.Configure(files["/etc/containers/registries.conf.d/50-gateway.conf"]);
        foreach (var (_, content) in files.Below("/etc/containers").Where(static file => file.Path == "policy.json"))
            Client.Folder.Write("home/.config/containers/policy.json", content);
        return podman;
    }
}
