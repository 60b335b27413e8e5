using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>dockerd with the files of docs/clients/docker.md, with both of its image stores.</summary>
public sealed class DockerTests(MirrorFixture fixture) : MirrorScenario(fixture)
{
    private static readonly Page DockerPage = new("docker.md");

    private readonly DeadEnd _internet = new();
    private GatewayProcess _hub = null!;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Image_of_docker_hub_is_pulled_from_the_mirror(bool containerdStore)
    {
        await using var docker = await StartDockerAsync(containerdStore);

        (await docker.RunAsync("pull", "app:1")).Succeeded();

        Assert.Empty(_internet.Wanted);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Mirror_fails_open_to_docker_hub_when_the_gateway_refuses(bool containerdStore)
    {
        await using var docker = await StartDockerAsync(containerdStore);

        (await docker.RunAsync("pull", "other:1")).Failed();

        Assert.Contains("registry-1.docker.io:443", _internet.Wanted);
    }

    [Fact]
    public async Task Image_with_the_gateways_own_name_is_never_requested_elsewhere()
    {
        await using var docker = await StartDockerAsync(containerdStore: false);

        (await docker.RunAsync("pull", $"{_hub.Host}/docker.io/library/app:1")).Succeeded();
        var refused = (await docker.RunAsync("pull", $"{_hub.Host}/docker.io/library/other:1")).Failed();

        DockerPage.Explains("denied: policy", refused);
        Assert.Empty(_internet.Wanted);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Account_can_log_in_push_and_pull(bool containerdStore)
    {
        var line = (await Client.RunAsync("htpasswd", "-nbB", "ci", Canary.Secret("ci"))).Succeeded().Stdout.Trim();
        await using var gateway = await GatewayProcess.StartAsync($$"""
            access:
              htpasswd: "{{Folder.Write("htpasswd", line + "\n")}}"
              rules: [{ actors: [ci], repositories: ["team/**"], actions: [pull, push] }]
            """);
        await using var docker = await StartDockerAsync(containerdStore);
        (await docker.RunAsync("pull", "app:1")).Succeeded();
        (await docker.RunAsync("tag", "app:1", $"{gateway.Host}/team/app:1")).Succeeded();

        DockerPage.Explains(
            containerdStore ? ": 401 Unauthorized" : "unauthorized: log in to this registry first",
            await docker.RunAsync("push", $"{gateway.Host}/team/app:1"));
        (await docker.RunAsync("login", "--username", "ci", "--password", Canary.Secret("wrong"), gateway.Host)).Failed();
        (await docker.RunAsync("login", "--username", "ci", "--password", Canary.Secret("ci"), gateway.Host)).Succeeded();
        (await docker.RunAsync("push", $"{gateway.Host}/team/app:1")).Succeeded();

        (await docker.RunAsync("rmi", "app:1", $"{gateway.Host}/team/app:1")).Succeeded();
        (await docker.RunAsync("pull", $"{gateway.Host}/team/app:1")).Succeeded();
    }

    [Fact]
    public async Task Image_named_after_its_registry_is_pulled_through_the_gateway_only_and_never_pushed_there_by_mistake()
    {
        await using var docker = await StartDockerAsync(containerdStore: true);
        Close(docker);

        (await docker.RunAsync("pull", $"{Origin.Host}/{Image}:1")).Succeeded();
        (await docker.RunAsync("pull", $"{Origin.Host}/{Refused}:1")).Failed();
        (await docker.RunAsync("tag", $"{Origin.Host}/{Image}:1", $"{Origin.Host}/team/pushed:1")).Succeeded();
        DockerPage.Explains("no push hosts", await docker.RunAsync("push", $"{Origin.Host}/team/pushed:1"));

        Assert.DoesNotContain("team/pushed", await ListAsync(Gateway), StringComparison.Ordinal);
        Assert.Empty(await AskedPastTheGatewayAsync());
    }

    [Fact]
    public async Task Push_by_the_gateways_own_name_is_pulled_again_and_listed_beside_the_closed_mirror()
    {
        await using var docker = await StartDockerAsync(containerdStore: true);
        Close(docker);
        var (pulled, pushed) = ($"{Origin.Host}/{Image}:1", $"{Gateway.Host}/own/team/app");
        (await docker.RunAsync("pull", pulled)).Succeeded();
        (await docker.RunAsync("tag", pulled, $"{pushed}:1")).Succeeded();

        (await docker.RunAsync("push", $"{pushed}:1")).Succeeded();

        (await docker.RunAsync("rmi", "--force", pulled, $"{pushed}:1")).Succeeded();
        (await docker.RunAsync("pull", $"{pushed}:1")).Succeeded();
        Assert.Contains("own/team/app", await ListAsync(Gateway), StringComparison.Ordinal);
        Assert.Empty(await AskedPastTheGatewayAsync());
    }

    [Fact]
    public async Task Search_asks_docker_hub_whatever_is_configured()
    {
        await using var docker = await StartDockerAsync(containerdStore: true);
        Close(docker);

        (await docker.RunAsync("search", "app")).Failed();

        Assert.Contains("index.docker.io:443", _internet.Wanted);
    }

    private protected override async ValueTask StartAsync() => _hub = await GatewayProcess.StartAsync(Fixture.Configuration("""
        routes:
          - { prefix: docker.io, upstream: docker.io }
          - { prefix: "", upstream: docker.io }
        """));

    private protected override async ValueTask StopAsync()
    {
        _internet.Dispose();
        if (_hub is not null)
            await _hub.DisposeAsync();
    }

    private void Close(Dockerd docker)
    {
        foreach (var (page, host) in new[] { ("_default", "_default"), ("gateway.example.com", Gateway.Host) })
        {
            docker.Configure($"{host}/hosts.toml", DockerPage.Block(
                $"/etc/docker/certs.d/{page}/hosts.toml", "Every registry, through the gateway only",
                ("https://gateway.example.com", $"https://{Gateway.Host}"), ("/etc/docker/gateway-ca.pem", Authority.AuthorityFile)));
        }
    }

    private async Task<string> ListAsync(GatewayProcess gateway) =>
        (await Client.CraneAsync("catalog", "--insecure", gateway.Host)).Succeeded().Stdout;

    private Task<Dockerd> StartDockerAsync(bool containerdStore) => Dockerd.StartAsync(
        Client,
        DockerPage.Block(
            "/etc/docker/daemon.json", "Mirror of Docker Hub", ("https://gateway.example.com", $"http://{_hub.Host}")),
        containerdStore,
        _internet.Url);
}
