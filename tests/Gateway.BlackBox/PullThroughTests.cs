using System.Net;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>Debian's docker-registry behind the gateway.</summary>
public sealed class PullThroughTests : IAsyncLifetime
{
    private const string Image = "team/app";

    private readonly Client _client = new();
    private DockerRegistry _upstream = null!;
    private OciLayout _layout = null!;
    private Described _image = null!;

    public async ValueTask InitializeAsync()
    {
        (_layout, _image) = OciLayout.SmallImage(_client.Folder["image"]);
        _upstream = await DockerRegistry.StartAsync();
        (await _client.CraneAsync("push", "--insecure", _layout.Root, $"{_upstream.Host}/{Image}:1")).Succeeded();
    }

    [Fact]
    public async Task Image_is_pulled_by_the_path_prefix_of_its_upstream()
    {
        await using var gateway = await GatewayAsync();

        (await _client.SkopeoAsync(
            "copy", "--src-tls-verify=false", $"docker://{gateway.Host}/corp/{Image}:1", $"oci:{_client.Folder["pulled"]}:1")).Succeeded();

        Assert.Equal(OciLayout.DigestsIn(_layout.Root), OciLayout.DigestsIn(_client.Folder["pulled"]));
    }

    [Fact]
    public async Task Image_is_pulled_by_ns_and_the_answer_repeats_ns()
    {
        await using var gateway = await GatewayAsync();
        using var raw = new RawClient(gateway.Host);

        using var answer = await raw.GetAsync($"/v2/{Image}/manifests/1?ns=registry.corp.test");

        await RawClient.ExpectAsync(answer, HttpStatusCode.OK);
        Assert.Equal(_image.Digest, Described.Sha256(await answer.Content.ReadAsByteArrayAsync()));
        Assert.Equal("registry.corp.test", answer.Headers.GetValues("OCI-Namespace").Single());
    }

    [Fact]
    public async Task Unknown_ns_is_not_looked_up_by_path()
    {
        await using var gateway = await GatewayAsync();
        using var raw = new RawClient(gateway.Host);

        using var answer = await raw.GetAsync($"/v2/corp/{Image}/manifests/1?ns=elsewhere.test");

        await RawClient.ExpectErrorAsync(answer, 404, "NAME_UNKNOWN");
    }

    [Fact]
    public async Task Prefix_and_ns_share_fetched_content()
    {
        await using var gateway = await GatewayAsync();
        using var raw = new RawClient(gateway.Host);

        using var byPrefix = await raw.GetAsync($"/v2/corp/{Image}/manifests/{_image.Digest}");
        using var byNs = await raw.GetAsync($"/v2/{Image}/manifests/{_image.Digest}?ns=registry.corp.test");

        await RawClient.ExpectAsync(byPrefix, HttpStatusCode.OK);
        await RawClient.ExpectAsync(byNs, HttpStatusCode.OK);
        Assert.Single(await GetsOfAsync($"/manifests/{_image.Digest}"));
    }

    [Fact]
    public async Task Fifty_pulls_of_one_cold_blob_cause_one_upstream_GET()
    {
        var blob = OciLayout.Noise(7, 16 << 20);
        using (var push = new RawClient(_upstream.Host))
            await push.ImageAsync("herd/app", "1", blob);
        await using var gateway = await GatewayAsync();
        using var raw = new RawClient(gateway.Host);
        using (var manifest = await raw.GetAsync("/v2/corp/herd/app/manifests/1"))
            await RawClient.ExpectAsync(manifest, HttpStatusCode.OK);
        var digest = Described.Sha256(blob);

        var pulled = await Task.WhenAll(Enumerable.Range(0, 50).Select(async _ =>
        {
            using var answer = await raw.GetAsync($"/v2/corp/herd/app/blobs/{digest}");
            await RawClient.ExpectAsync(answer, HttpStatusCode.OK);
            await using var body = await answer.Content.ReadAsStreamAsync();
            return "sha256:" + Convert.ToHexStringLower(await System.Security.Cryptography.SHA256.HashDataAsync(body));
        }));

        Assert.All(pulled, hash => Assert.Equal(digest, hash));
        Assert.Single(await GetsOfAsync($"/blobs/{digest}"));
    }

    [Fact]
    public async Task Pulled_image_is_served_while_the_upstream_is_down()
    {
        await using var gateway = await GatewayAsync("always");
        var reference = $"docker://{gateway.Host}/corp/{Image}:1";
        (await _client.SkopeoAsync("copy", "--src-tls-verify=false", reference, $"oci:{_client.Folder["first"]}:1")).Succeeded();

        await _upstream.StopAsync();

        (await _client.SkopeoAsync("copy", "--src-tls-verify=false", reference, $"oci:{_client.Folder["second"]}:1")).Succeeded();
        Assert.Equal(OciLayout.DigestsIn(_layout.Root), OciLayout.DigestsIn(_client.Folder["second"]));
    }

    [Fact]
    public async Task Pulled_image_is_served_by_the_next_process_while_the_upstream_is_down()
    {
        await using var gateway = await GatewayAsync("always");
        var reference = $"docker://{gateway.Host}/corp/{Image}:1";
        (await _client.SkopeoAsync("copy", "--src-tls-verify=false", reference, $"oci:{_client.Folder["first"]}:1")).Succeeded();
        await gateway.Server.StopAsync();
        await _upstream.StopAsync();

        await gateway.StartAgainAsync();

        (await _client.SkopeoAsync("copy", "--src-tls-verify=false", reference, $"oci:{_client.Folder["second"]}:1")).Succeeded();
    }

    [Fact]
    public async Task Image_that_was_never_pulled_is_unavailable_and_not_absent_while_the_upstream_is_down()
    {
        await using var gateway = await GatewayAsync();
        await _upstream.StopAsync();
        using var raw = new RawClient(gateway.Host);

        using var answer = await raw.GetAsync($"/v2/corp/{Image}/manifests/1");

        Assert.True((int)answer.StatusCode >= 500, $"expected 5xx, got {(int)answer.StatusCode}");
    }

    [Fact]
    public async Task Moved_tag_is_seen_after_revalidation()
    {
        await using var gateway = await GatewayAsync("always");
        using var raw = new RawClient(gateway.Host);
        using (var first = await raw.GetAsync($"/v2/corp/{Image}/manifests/1"))
            await RawClient.ExpectAsync(first, HttpStatusCode.OK);
        byte[] moved;
        using (var push = new RawClient(_upstream.Host))
            moved = await push.ImageAsync(Image, "1", OciLayout.Noise(99, 1000));

        using var second = await raw.GetAsync($"/v2/corp/{Image}/manifests/1");

        Assert.Equal(moved, await second.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Upstream_receives_the_configured_password_and_clients_need_none()
    {
        await using var upstream = await DockerRegistry.StartAsync(user: ("robot", Canary.Secret("robot")));
        var auth = RawClient.Basic("robot", Canary.Secret("robot")).Parameter;
        _client.Folder.Write("home/.docker/config.json", "{\"auths\":{\"" + upstream.Host + "\":{\"auth\":\"" + auth + "\"}}}");
        (await _client.CraneAsync("push", "--insecure", _layout.Root, $"{upstream.Host}/{Image}:1")).Succeeded();
        _client.Folder.Write("password", Canary.Secret("robot") + "\n");
        await using var gateway = await GatewayProcess.StartAsync($$"""
            upstreams:
              corp: { url: "http://{{upstream.Host}}", credentials: { username: robot, passwordFile: "{{_client.Folder["password"]}}" } }
            """);

        (await _client.SkopeoAsync(
            "copy", "--src-tls-verify=false", "--src-no-creds", $"docker://{gateway.Host}/corp/{Image}:1",
            $"oci:{_client.Folder["pulled"]}:1")).Succeeded();

        Assert.Equal(OciLayout.DigestsIn(_layout.Root), OciLayout.DigestsIn(_client.Folder["pulled"]));
    }

    [Fact]
    public async Task Push_to_a_pull_through_repository_is_refused()
    {
        await using var gateway = await GatewayAsync();

        (await _client.CraneAsync("push", "--insecure", _layout.Root, $"{gateway.Host}/corp/other/app:1")).Failed();

        Assert.DoesNotContain(
            _upstream.Requests, request => request.StartsWith('P') && request.Contains("/other/", StringComparison.Ordinal));
    }

    public async ValueTask DisposeAsync()
    {
        await _upstream.DisposeAsync();
        _client.Dispose();
    }

    private async Task<IEnumerable<string>> GetsOfAsync(string end) =>
        (await _upstream.SettledAsync()).Select(asked => asked.Request)
            .Where(request => request.StartsWith("GET ", StringComparison.Ordinal) && request.EndsWith(end, StringComparison.Ordinal));

    private Task<GatewayProcess> GatewayAsync(string revalidateAfter = "5m") => GatewayProcess.StartAsync($$"""
        upstreams:
          corp: { url: "http://{{_upstream.Host}}", namespaces: [registry.corp.test], tags: { revalidateAfter: {{revalidateAfter}} } }
        """);
}
