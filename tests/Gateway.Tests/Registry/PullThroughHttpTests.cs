using Gateway.Configuration;
using Gateway.Upstream;
using Scripted;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>What a client sees of pulling through, on a gateway in front of a scripted upstream.</summary>
public sealed class PullThroughHttpTests : IAsyncLifetime
{
    // Above what is verified before its first byte, so that a wrong byte is found with an answer under way.
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(6_000_000, seed: 3);

    private ScriptedUpstream _hub = null!;
    private ScriptedImage _image = null!;
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await ScriptedUpstream.StartAsync("127.0.0.1", false);
        _image = _hub.AddImage("library/nginx", "latest", Layer);
        var upstream = new UpstreamOptions { Key = "hub", Urls = [_hub.Url], Namespaces = ["hub.example"], Library = true };
        _rig = await GatewayRig.StartAsync(options => options with
        {
            Upstreams = options.Upstreams.Add("hub", upstream),
            Routes = [new() { Prefix = "hub", Upstream = "hub" }, new() { Prefix = "" }],
        });
    }

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        await _hub.DisposeAsync();
    }

    [Fact]
    public async Task The_first_pull_is_a_miss_and_the_next_a_hit_by_prefix_and_by_namespace_alike()
    {
        using var first = await _rig.SendAsync("GET", "/v2/hub/nginx/manifests/latest");
        using var second = await _rig.SendAsync("GET", "/v2/library/nginx/manifests/latest?ns=hub.example");

        Assert.Equal(200, (int)first.StatusCode);
        Assert.StartsWith("gateway; fwd=uri-miss; stored", GatewayRig.Header(first, "Cache-Status"), StringComparison.Ordinal);
        Assert.Equal("gateway; hit", GatewayRig.Header(second, "Cache-Status"));
        Assert.Equal(_image.Digest, GatewayRig.Header(second, "Docker-Content-Digest"));
        Assert.Equal((null, "hub.example"), (GatewayRig.Header(first, "OCI-Namespace"), GatewayRig.Header(second, "OCI-Namespace")));
    }

    [Fact]
    public async Task Reload_that_changes_only_tags_takes_effect_and_keeps_tokens_and_connections()
    {
        _hub.RequireToken();
        (await _rig.SendAsync("GET", "/v2/hub/nginx/manifests/latest")).Dispose();
        using (var fresh = await _rig.SendAsync("GET", "/v2/hub/nginx/manifests/latest"))
            Assert.Equal("gateway; hit", GatewayRig.Header(fresh, "Cache-Status"));
        var (asked, tokens) = (_hub.Count(IsQuestion), _hub.Count(r => r.IsToken));

        await _rig.UseAsync(o => o with
        {
            Upstreams = o.Upstreams.SetItem("hub", o.Upstreams["hub"] with { Tags = new() { RevalidateAfter = TimeSpan.Zero } }),
        });
        using var revalidated = await _rig.SendAsync("GET", "/v2/hub/nginx/manifests/latest");

        static bool IsQuestion(ReceivedRequest request) => request.IsHead && request.IsManifest("latest");
        Assert.Equal(200, (int)revalidated.StatusCode);
        Assert.Equal((asked + 1, tokens), (_hub.Count(IsQuestion), _hub.Count(r => r.IsToken)));
    }

    [Fact]
    public async Task Unknown_namespace_returns_404_without_asking_an_upstream()
    {
        using var answer = await _rig.SendAsync("GET", "/v2/hub/nginx/manifests/latest?ns=other.example");

        Assert.Equal((404, "NAME_UNKNOWN"), ((int)answer.StatusCode, await GatewayRig.ErrorCodeAsync(answer)));
        Assert.Empty(_hub.Requests);
        Assert.Null(GatewayRig.Header(answer, "OCI-Namespace"));
    }

    [Fact]
    public async Task Nothing_is_pushed_into_an_upstreams_repository()
    {
        using var answer = await _rig.SendAsync("POST", "/v2/hub/nginx/blobs/uploads/");

        Assert.Equal((405, "UNSUPPORTED"), ((int)answer.StatusCode, await GatewayRig.ErrorCodeAsync(answer)));
    }

    [Fact]
    public async Task Blob_with_a_wrong_digest_breaks_the_connection()
    {
        (await _rig.SendAsync("GET", "/v2/hub/nginx/manifests/latest")).Dispose();
        _hub.When(request => request.IsBlob(_image.Layers[0])).Flip(5_000_000);

        using var answer = await _rig.SendAsync("GET", $"/v2/hub/nginx/blobs/{_image.Layers[0]}");
        Assert.Equal(Layer.Length, answer.Content.Headers.ContentLength);
        await Assert.ThrowsAnyAsync<Exception>(() => answer.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Unreachable_upstream_returns_503_with_Retry_After()
    {
        _hub.When(_ => true).Respond(502);

        using var answer = await _rig.SendAsync("GET", "/v2/hub/nginx/manifests/latest");
        Assert.Equal((503, "UNAVAILABLE"), ((int)answer.StatusCode, await GatewayRig.ErrorCodeAsync(answer)));
        Assert.NotNull(answer.Headers.RetryAfter);
    }

    [Fact]
    public async Task Upstream_of_which_every_request_failed_is_shown_as_failing()
    {
        _hub.When(_ => true).Respond(502);
        // Counters are of the process, in which other tests use the name "hub".
        var upstream = new UpstreamOptions { Key = "alone", Urls = [_hub.Url] };
        await _rig.UseAsync(o => o with
        {
            Upstreams = o.Upstreams.Clear().Add("alone", upstream),
            Routes = [new() { Prefix = "alone", Upstream = "alone" }, new() { Prefix = "" }],
        });
        (await _rig.SendAsync("GET", "/v2/alone/nginx/manifests/latest")).Dispose();

        var page = await _rig.Client.GetStringAsync(new Uri(_rig.Operator, "/"));

        Assert.Contains("failing: ", page, StringComparison.Ordinal);
        Assert.DoesNotContain("reachable", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unusable_upstream_content_returns_502_without_Retry_After()
    {
        var bad = _hub.AddManifest("library/nginx", "{\"schemaVersion\":2}"u8.ToArray(), Oci.MediaTypes.OciManifest, "bad");
        _hub.When(request => request.IsBlob(_image.Config)).Respond(400);
        foreach (var (path, code) in new[]
        {
            ("manifests/bad", "MANIFEST_INVALID"), ($"manifests/{bad}", "MANIFEST_INVALID"), ($"blobs/{_image.Config}", "DIGEST_INVALID"),
        })
        {
            using var answer = await _rig.SendAsync("GET", $"/v2/hub/nginx/{path}");
            Assert.Equal((502, code), ((int)answer.StatusCode, await GatewayRig.ErrorCodeAsync(answer)));
            Assert.Null(answer.Headers.RetryAfter);
        }
        Assert.Equal(1, _hub.Count(request => request.IsGet && request.IsAnyManifest));
    }

    [Fact]
    public async Task Layer_urls_of_a_manifest_are_never_requested()
    {
        await using var elsewhere = await ScriptedUpstream.StartAsync("127.0.0.2");
        var layer = elsewhere.AddBlob("library/nginx", ScriptedUpstream.Bytes(1000, seed: 4));
        var config = _hub.AddBlob("library/nginx", "{}"u8.ToArray());
        var manifest = $$"""
            {"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{{config}}","size":2},
             "layers":[{"mediaType":"application/vnd.oci.image.layer.nondistributable.v1.tar","digest":"{{layer}}","size":1000,
                        "urls":["{{new Uri(elsewhere.Url, $"/v2/library/nginx/blobs/{layer}")}}"]}]}
            """;
        _hub.AddManifest("library/nginx", System.Text.Encoding.UTF8.GetBytes(manifest), Oci.MediaTypes.OciManifest, "foreign");

        using var pulled = await _rig.SendAsync("GET", "/v2/hub/nginx/manifests/foreign");
        using var missing = await _rig.SendAsync("GET", $"/v2/hub/nginx/blobs/{layer}");

        Assert.Equal((200, 404), ((int)pulled.StatusCode, (int)missing.StatusCode));
        Assert.Empty(elsewhere.Requests);
    }
}
