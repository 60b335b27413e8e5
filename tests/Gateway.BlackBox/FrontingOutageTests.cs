using System.Net;
using System.Text;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>A fronted registry becomes unavailable: pushes fail with the reason or are forwarded later, and pulls continue.</summary>
public sealed class FrontingOutageTests : IAsyncLifetime
{
    private readonly Client _client = new();
    private DockerRegistry _registry = null!;
    private GatewayProcess? _gateway;

    public async ValueTask InitializeAsync() => _registry = await DockerRegistry.StartAsync();

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null)
        {
            if (TestContext.Current.TestState?.Result == TestResult.Failed)
                TestContext.Current.TestOutputHelper?.WriteLine(_gateway.Log);
            await _gateway.DisposeAsync();
        }
        if (_registry is not null)
            await _registry.DisposeAsync();
        _client.Dispose();
    }

    [Fact]
    public async Task Push_fails_with_the_name_of_the_unavailable_registry_and_pulls_continue()
    {
        await StartAsync("sync");
        var first = await PushAsync("team/app:1", 1);
        await _registry.StopAsync();

        var (layout, second) = OciLayout.SmallImage(_client.Folder["second"], seed: 2);
        var refused = (await _client.CraneAsync("push", "--insecure", layout.Root, At("team/app:2"))).Failed();

        // The client begins with a HEAD, whose answer has no body to name the registry in.
        Assert.Contains("503 Service Unavailable", refused.Text, StringComparison.Ordinal);
        using (var raw = new RawClient(_gateway!.Host))
        {
            await raw.BlobAsync("team/app", "{}"u8.ToArray(), OciLayout.ImageConfig);
            var manifest = RawClient.Manifest(Described.Of("{}"u8.ToArray(), OciLayout.ImageConfig));
            using var put = await raw.PushManifestAsync("team/app", "2", manifest);
            await RawClient.ExpectErrorAsync(put, 503, "UNAVAILABLE");
            Assert.Contains("upstream corp", await put.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
        Assert.Equal(first, await DigestAsync(At("team/app:1")));
        (await _client.CraneAsync("pull", "--insecure", At("team/app:1"), _client.Folder["pulled.tar"])).Succeeded();

        await _registry.StartAgainAsync();
        Output pushed = null!;
        await Eventually.TrueAsync(
            async () => (pushed = await _client.CraneAsync("push", "--insecure", layout.Root, At("team/app:2"))).ExitCode == 0,
            () => pushed.Text);
        Assert.Equal(second.Digest, await DigestAsync(At("team/app:2")));
        Assert.Equal(second.Digest, await DigestAsync($"{_registry.Host}/team/app:2"));
    }

    [Theory]
    [InlineData("crane")]
    [InlineData("skopeo")]
    [InlineData("oras")]
    public async Task Push_that_was_answered_before_forwarding_arrives_after_a_restart_of_both(string client)
    {
        await StartAsync("async");
        await _registry.StopAsync();
        var digest = await PushAsync("team/app:1", 1, client);
        Assert.Equal(digest, await DigestAsync(At("team/app:1")));
        using (var raw = new RawClient(_gateway!.Host))
        {
            // A HEAD before a push is answered from stored content. A pull is answered that the registry is unavailable.
            Assert.Equal(HttpStatusCode.NotFound, (await raw.HeadAsync("/v2/team/app/manifests/2")).StatusCode);
            await RawClient.ExpectErrorAsync(await raw.GetAsync("/v2/team/app/manifests/2"), 503, "UNAVAILABLE");
        }

        await _gateway.Server.KillAsync();
        await _gateway.StartAgainAsync();
        Assert.Equal(digest, await DigestAsync(At("team/app:1")));
        await _registry.StartAgainAsync();

        await ArrivedAsync("team/app:1", digest);
        (await _client.CraneAsync("pull", "--insecure", $"{_registry.Host}/team/app:1", _client.Folder["pulled.tar"])).Succeeded();
    }

    // docker sends a HEAD without credentials before it pushes. No blob has to be uploaded, so no other request would be challenged.
    [Fact]
    public async Task Docker_pushes_a_new_tag_of_a_stored_image_while_the_registry_is_down_and_anonymous_may_pull()
    {
        var account = (await _client.RunAsync("htpasswd", "-nbB", "ci", Canary.Secret("ci"))).Succeeded().Stdout.Trim();
        await StartAsync("async", $$"""
            access:
              htpasswd: "{{_client.Folder.Write("htpasswd", account + "\n")}}"
              rules:
                - { actors: [anonymous], repositories: ["**"], actions: [pull] }
                - { actors: [ci], repositories: ["**"], actions: [pull, push] }
            """);
        var login = Convert.ToBase64String(Encoding.UTF8.GetBytes($"ci:{Canary.Secret("ci")}"));
        _client.Folder.Write("home/.docker/config.json", $$$"""{ "auths": { "{{{_gateway!.Host}}}": { "auth": "{{{login}}}" } } }""");
        using var internet = new DeadEnd();
        await using var docker = await Dockerd.StartAsync(_client, "{}", containerdStore: true, internet.Url);
        var digest = await PushAsync("team/app:1", 1);
        await ArrivedAsync("team/app:1", digest);
        (await docker.RunAsync("pull", At("team/app:1"))).Succeeded();
        await _registry.StopAsync();

        (await docker.RunAsync("tag", At("team/app:1"), At("team/app:2"))).Succeeded();
        (await docker.RunAsync("push", At("team/app:2"))).Succeeded();

        await _registry.StartAgainAsync();
        await ArrivedAsync("team/app:2", digest);
    }

    [Fact]
    public async Task Hundred_pushes_across_an_outage_arrive_once_each_and_the_last_push_of_a_tag_wins()
    {
        const int pushes = 100;
        await StartAsync("async");
        using var raw = new RawClient(_gateway!.Host);
        await _registry.StopAsync();
        var last = "";
        for (var i = 0; i < pushes; i++)
        {
            last = Described.Sha256(await raw.ImageAsync("team/app", $"v{i}", Encoding.UTF8.GetBytes($"layer {i}")));
            await RetagAsync(raw, $"v{i}");
        }
        await _gateway.Server.KillAsync();
        await _gateway.StartAgainAsync();

        await _registry.StartAgainAsync();

        await ArrivedAsync("team/app:latest", last);
        var put = (await _registry.SettledAsync()).Select(asked => asked.Request)
            .Where(r => r.StartsWith("PUT /v2/team/app/manifests/v", StringComparison.Ordinal)).ToArray();
        Assert.Equal(pushes, put.Length);
        Assert.Equal(put.Distinct(), put);
        Assert.Equal(Enumerable.Range(0, pushes).Select(i => $"PUT /v2/team/app/manifests/v{i}"), put);
    }

    private static async Task RetagAsync(RawClient raw, string tag)
    {
        using var manifest = await raw.GetAsync($"/v2/team/app/manifests/{tag}");
        using var tagged = await raw.PushManifestAsync("team/app", "latest", await manifest.Content.ReadAsByteArrayAsync());
        await RawClient.ExpectAsync(tagged, HttpStatusCode.Created);
    }

    private string At(string reference) => $"{_gateway!.Host}/{reference}";

    private async Task StartAsync(string forward, string more = "") => _gateway = await GatewayProcess.StartAsync($$"""
        upstreams: { corp: { url: "{{_registry.Url}}" } }
        routes: [{ prefix: "", upstream: corp, push: forward, forward: {{forward}} }]
        {{more}}
        """);

    private async Task<string> PushAsync(string reference, int seed, string client = "crane")
    {
        var (layout, image) = OciLayout.SmallImage(_client.Folder[$"image-{seed}"], seed: seed);
        (client switch
        {
            "skopeo" => await _client.SkopeoAsync("copy", "--dest-tls-verify=false", $"oci:{layout.Root}:1", $"docker://{At(reference)}"),
            "oras" => await _client.OrasAsync("cp", "--from-oci-layout", "--to-plain-http", $"{layout.Root}:1", At(reference)),
            _ => await _client.CraneAsync("push", "--insecure", layout.Root, At(reference)),
        }).Succeeded();
        return image.Digest;
    }

    private async Task<string> DigestAsync(string reference) =>
        (await _client.CraneAsync("digest", "--insecure", reference)).Succeeded().Stdout.Trim();

    private async Task ArrivedAsync(string reference, string digest)
    {
        var there = "";
        await Eventually.TrueAsync(
            async () => (there = (await _client.CraneAsync("digest", "--insecure", $"{_registry.Host}/{reference}")).Text.Trim()) == digest,
            () => $"{reference} should be {digest}, and is {there}");
    }
}
