using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>dockerd with the files of docs/clients/docker.md, with either of its image stores.</summary>
public sealed class DockerTests(MirrorFixture fixture) : MirrorScenario(fixture)
{
    private static readonly Page DockerPage = new("docker.md");

    private readonly DeadEnd _internet = new();
    private GatewayProcess _hub = null!;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Image_of_docker_hub_comes_from_the_mirror(bool containerdStore)
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
    public async Task Image_by_the_gateways_own_name_is_never_looked_for_elsewhere()
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
    public async Task Login_push_and_pull_by_an_account(bool containerdStore)
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

    private Task<Dockerd> StartDockerAsync(bool containerdStore) => Dockerd.StartAsync(
        Client,
        DockerPage.Block(
            "/etc/docker/daemon.json", "Mirror of Docker Hub", ("https://gateway.example.com", $"http://{_hub.Host}")),
        containerdStore,
        _internet.Url);
}
