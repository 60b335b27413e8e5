using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>containerd with the files of docs/clients/containerd.md, used by ctr and by the call that a kubelet makes.</summary>
public sealed class ContainerdTests(MirrorFixture fixture) : MirrorScenario(fixture)
{
    private static readonly Page Page = new("containerd.md");

    private Containerd _containerd = null!;

    [Fact]
    public async Task Image_named_after_its_registry_is_pulled_through_the_gateway()
    {
        Close();

        (await _containerd.PullAsync($"{Origin.Host}/{Image}:1")).Succeeded();

        Assert.Equal(Digests, await _containerd.ContentAsync());
        Assert.Empty(await AskedPastTheGatewayAsync());
        await Gateway.Server.SaysAsync($"\"ns\":\"{Origin.Host}\"");
    }

    [Fact]
    public async Task Image_of_docker_hub_is_found_by_its_short_path()
    {
        Close();

        (await _containerd.PullAsync("docker.io/library/app:1")).Succeeded();

        Assert.Equal(Digests, await _containerd.ContentAsync());
    }

    [Fact]
    public async Task Pull_by_a_kubelet_goes_through_the_gateway()
    {
        Close();

        var answer = await _containerd.PullAsKubeletAsync($"{Origin.Host}/{Image}:1");

        Assert.True(answer.Status == 0, $"{answer.Message}\n{_containerd.Log}");
        Assert.Equal(Digests, await _containerd.ContentAsync("k8s.io"));
        Assert.Empty(await AskedPastTheGatewayAsync());
    }

    [Fact]
    public async Task Mirror_that_fails_open_gets_what_the_gateway_refuses()
    {
        Open();

        (await _containerd.PullAsync($"{Origin.Host}/{Refused}:1")).Succeeded();

        Assert.Contains($"HEAD /v2/{Refused}/manifests/1", await AskedPastTheGatewayAsync());
    }

    [Fact]
    public async Task Closed_mirror_does_not_get_what_the_gateway_refuses()
    {
        Close();

        var pulled = (await _containerd.PullAsync($"{Origin.Host}/{Refused}:1")).Failed();
        var kubelet = await _containerd.PullAsKubeletAsync($"{Origin.Host}/{Refused}:1");

        Assert.Contains(": 403 Forbidden", pulled.Text, StringComparison.Ordinal);
        Assert.Contains(": 403 Forbidden", kubelet.Message, StringComparison.Ordinal);
        Assert.Empty(await _containerd.ContentAsync());
        Assert.Empty(await _containerd.ContentAsync("k8s.io"));
        Assert.Empty(await AskedPastTheGatewayAsync());
    }

    [Fact]
    public async Task Mirror_that_fails_open_uses_the_registry_while_the_gateway_is_down_and_a_closed_one_does_not()
    {
        var nobody = $"127.0.0.1:{FreePorts.Next()}";
        Close(nobody);
        (await _containerd.PullAsync($"{Origin.Host}/{Image}:1")).Failed();
        Assert.Empty(await AskedPastTheGatewayAsync());

        Open(nobody);
        (await _containerd.PullAsync($"{Origin.Host}/{Image}:1")).Succeeded();

        Assert.NotEmpty(await AskedPastTheGatewayAsync());
    }

    [Fact]
    public async Task Registry_that_the_gateway_does_not_know_is_not_found_and_never_contacted()
    {
        await using var other = await DockerRegistry.StartAsync();
        (await Client.CraneAsync("push", "--insecure", Fixture.Layout.Root, $"{other.Host}/{Image}:1")).Succeeded();
        Close();

        var pulled = (await _containerd.PullAsync($"{other.Host}/{Image}:1")).Failed();

        Page.Explains("/team/app:1: not found", pulled);
        Assert.DoesNotContain(await other.SettledAsync(), asked => asked.Agent.StartsWith("containerd", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Missing_certificate_authority_is_reported()
    {
        _containerd.Configure("_default", $"server = \"https://{Gateway.Host}\"\n");

        var pulled = await _containerd.PullAsync($"{Origin.Host}/{Image}:1");

        Page.Explains("tls: failed to verify certificate: x509: certificate signed by unknown authority", pulled);
    }

    [Fact]
    public async Task Pushed_image_equals_the_pulled_image_byte_for_byte()
    {
        Close();
        (await _containerd.PullAsync($"{Origin.Host}/{Image}:1")).Succeeded();
        await using var own = await GatewayProcess.StartAsync();
        var reference = $"{own.Host}/ctr/app:1";
        (await _containerd.CtrAsync("images", "tag", $"{Origin.Host}/{Image}:1", reference)).Succeeded();

        (await _containerd.CtrAsync("images", "push", "--plain-http", reference)).Succeeded();

        (await Client.CraneAsync("pull", "--insecure", "--format", "oci", reference, Folder["pulled"])).Succeeded();
        Assert.Equal(Fixture.Pushed.Digest, OciLayout.TopIn(Folder["pulled"]));
        Assert.Equal(Digests, OciLayout.DigestsIn(Folder["pulled"]));
    }

    [Fact]
    public async Task Push_of_a_name_that_the_closed_mirror_has_fails_and_one_by_the_gateways_own_name_is_pulled_again()
    {
        Close();
        var (pulled, pushed) = ($"{Origin.Host}/{Image}:1", $"{Gateway.Host}/ctr/team/app:1");
        (await _containerd.PullAsync(pulled)).Succeeded();
        foreach (var name in (string[])[$"{Origin.Host}/team/mistake:1", pushed])
            (await _containerd.CtrAsync("images", "tag", pulled, name)).Succeeded();

        Page.Explains("no push hosts", await PushAsync($"{Origin.Host}/team/mistake:1"));
        _containerd.Configure(Gateway.Host, Page.Block(
            "/etc/containerd/certs.d/gateway.example.com/hosts.toml", "Pushing",
            ("https://gateway.example.com", $"https://{Gateway.Host}"), ("/etc/containerd/gateway-ca.pem", Authority.AuthorityFile)));
        (await PushAsync(pushed)).Succeeded();

        (await _containerd.CtrAsync("images", "rm", "--sync", pulled, pushed, $"{Origin.Host}/team/mistake:1")).Succeeded();
        (await _containerd.PullAsync(pushed)).Succeeded();
        var listed = (await Client.CraneAsync("catalog", "--insecure", Gateway.Host)).Succeeded().Stdout;
        Assert.Contains("ctr/team/app", listed, StringComparison.Ordinal);
        Assert.DoesNotContain("mistake", listed, StringComparison.Ordinal);
        Assert.Empty(await AskedPastTheGatewayAsync());
    }

    private Task<Output> PushAsync(string reference) =>
        _containerd.CtrAsync("images", "push", "--hosts-dir", _containerd.Hosts, reference);

    private protected override async ValueTask StartAsync() => _containerd = await Containerd.StartAsync(Client);

    private protected override ValueTask StopAsync() => _containerd?.DisposeAsync() ?? ValueTask.CompletedTask;

    private void Close(string? gateway = null) => _containerd.Configure("_default", Page.Block(
        "/etc/containerd/certs.d/_default/hosts.toml", "Through the gateway only",
        ("https://gateway.example.com", $"https://{gateway ?? Gateway.Host}"),
        ("/etc/containerd/gateway-ca.pem", Authority.AuthorityFile)));

    private void Open(string? gateway = null) => _containerd.Configure(Origin.Host, Page.Block(
        "/etc/containerd/certs.d/registry.corp.example/hosts.toml", "Mirror that fails open",
        ("https://gateway.example.com", $"https://{gateway ?? Gateway.Host}"),
        ("https://registry.corp.example", $"http://{Origin.Host}"),
        ("/etc/containerd/gateway-ca.pem", Authority.AuthorityFile)));
}
