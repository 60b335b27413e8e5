using System.Text.Json.Nodes;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>podman with the files of docs/clients/podman.md; CRI-O and skopeo read the same registries.conf.</summary>
public sealed class PodmanTests : MirrorScenario
{
    private const string Only = "Through the gateway only";
    private const string Elsewhere = "Another location";
    private const string Mirror = "Mirror that fails open";

    private static readonly Page Page = new("podman.md");

    private readonly Podman _podman;

    public PodmanTests(MirrorFixture fixture)
        : base(fixture)
    {
        _podman = new Podman(Client);
        _podman.Trust(Gateway.Host, Authority);
    }

    [Theory]
    [InlineData(Only)]
    [InlineData(Elsewhere)]
    [InlineData(Mirror)]
    public async Task Image_named_after_its_registry_is_pulled_through_the_gateway(string section)
    {
        Configure(section);

        (await _podman.PullAsync($"{Origin.Host}/{Image}:1")).Succeeded();

        Assert.Empty(await AskedPastTheGatewayAsync());
        var image = JsonNode.Parse((await _podman.RunAsync("image", "inspect", $"{Origin.Host}/{Image}:1")).Succeeded().Stdout)!;
        Assert.Equal(Fixture.Pushed.Digest, image[0]!["Digest"]!.GetValue<string>());
    }

    [Fact]
    public async Task Image_of_docker_hub_is_pulled_through_the_gateway()
    {
        Configure(Only);

        (await _podman.PullAsync("docker.io/library/app:1")).Succeeded();
    }

    [Theory]
    [InlineData(Only)]
    [InlineData(Elsewhere)]
    public async Task Closed_configuration_does_not_get_a_refused_image_and_shows_the_reason(string section)
    {
        Configure(section);

        var pulled = (await _podman.PullAsync($"{Origin.Host}/{Refused}:1")).Failed();

        Assert.Contains("denied: policy", pulled.Text, StringComparison.Ordinal);
        Assert.Empty(await AskedPastTheGatewayAsync());
    }

    [Fact]
    public async Task Mirror_that_fails_open_gets_what_the_gateway_refuses()
    {
        Configure(Mirror);

        (await _podman.PullAsync($"{Origin.Host}/{Refused}:1")).Succeeded();

        Assert.Contains($"GET /v2/{Refused}/manifests/1", await AskedPastTheGatewayAsync());
    }

    [Fact]
    public async Task Missing_authority_and_a_gateway_without_tls_are_reported()
    {
        await using var plain = await GatewayProcess.StartAsync();
        Directory.Delete(Folder["home/.config/containers/certs.d"], recursive: true);

        Page.Explains(
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            await _podman.PullAsync($"{Gateway.Host}/corp/{Image}:1"));
        Page.Explains("http: server gave HTTP response to HTTPS client", await _podman.PullAsync($"{plain.Host}/{Image}:1"));
    }

    [Fact]
    public async Task Skopeo_copies_by_the_same_configuration()
    {
        Configure(Only);

        (await Client.SkopeoAsync(
            "copy", "--preserve-digests", $"docker://{Origin.Host}/{Image}:1", $"oci:{Folder["pulled"]}:1")).Succeeded();

        Assert.Equal(Digests, OciLayout.DigestsIn(Folder["pulled"]));
        Assert.Empty(await AskedPastTheGatewayAsync());
    }

    [Fact]
    public async Task Pushed_image_is_pulled_again_by_its_digest()
    {
        await using var own = await GatewayProcess.StartAsync();
        (await Client.SkopeoAsync(
            "copy", "--dest-tls-verify=false", $"oci:{Fixture.Layout.Root}:1", $"docker://{own.Host}/podman/app:1")).Succeeded();
        (await _podman.PullAsync($"{own.Host}/podman/app:1", "--tls-verify=false")).Succeeded();

        (await _podman.RunAsync(
            "push", "--tls-verify=false", "--digestfile", Folder["digest"], $"{own.Host}/podman/app:1",
            $"{own.Host}/podman/app:2")).Succeeded();

        await _podman.ForgetAsync();
        (await _podman.PullAsync($"{own.Host}/podman/app@{File.ReadAllText(Folder["digest"])}", "--tls-verify=false")).Succeeded();
    }

    [Fact]
    public async Task Closed_configuration_pushes_and_lists_only_by_the_gateways_own_name()
    {
        Configure(Only);
        (await _podman.PullAsync($"{Origin.Host}/{Image}:1")).Succeeded();

        Page.Explains("is blocked in", await _podman.RunAsync("push", $"{Origin.Host}/{Image}:1", $"{Origin.Host}/team/mistake:1"));
        (await Client.SkopeoAsync("list-tags", $"docker://{Origin.Host}/{Image}")).Failed();
        Assert.Empty(await AskedPastTheGatewayAsync());

        var pushed = $"{Gateway.Host}/podman/team/app";
        (await _podman.RunAsync("push", $"{Origin.Host}/{Image}:1", $"{pushed}:1")).Succeeded();
        var own = (await Client.SkopeoAsync("list-tags", $"docker://{pushed}")).Succeeded();
        Assert.Contains("\"1\"", own.Stdout, StringComparison.Ordinal);
        await _podman.ForgetAsync();
        (await _podman.PullAsync($"{pushed}:1")).Succeeded();
        var tags = (await Client.SkopeoAsync("list-tags", $"docker://{Gateway.Host}/corp/{Image}")).Succeeded();
        Assert.Contains("\"1\"", tags.Stdout, StringComparison.Ordinal);
        Assert.Empty(await AskedPastTheGatewayAsync());
    }

    [Fact]
    public async Task Other_location_serves_pulls_while_pushes_and_lists_go_to_the_registry()
    {
        Configure(Elsewhere);
        (await _podman.PullAsync($"{Origin.Host}/{Image}:1")).Succeeded();
        Assert.Empty(await AskedPastTheGatewayAsync());

        (await _podman.RunAsync("push", "--tls-verify=false", $"{Origin.Host}/{Image}:1", $"{Origin.Host}/podman/past:1")).Succeeded();
        (await Client.SkopeoAsync("list-tags", "--tls-verify=false", $"docker://{Origin.Host}/{Image}")).Succeeded();

        var asked = await AskedPastTheGatewayAsync();
        Assert.Contains("PUT /v2/podman/past/manifests/1", asked);
        Assert.Contains($"GET /v2/{Image}/tags/list", asked);
    }

    private void Configure(string section)
    {
        var gateway = ("gateway.example.com", Gateway.Host);
        var origin = ("\"registry.corp.example\"", $"\"{Origin.Host}\"");
        _podman.Configure(section == Mirror
            ? Page.Block(
                "/etc/containers/registries.conf.d/gateway.conf", section, gateway,
                ("\"registry.corp.example\"", $"\"{Origin.Host}\"\ninsecure = true"))
            : Page.Block("/etc/containers/registries.conf.d/gateway.conf", section, gateway, origin));
    }
}
