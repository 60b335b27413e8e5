using System.Globalization;
using System.Net;
using Gateway.Oci;
using Scripted;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Failures of endpoints: the kind of failure, the next endpoint, and the breaker.</summary>
public sealed class FailureTests : UpstreamTest
{
    [Theory]
    [InlineData(500, "Unavailable")]
    [InlineData(503, "Unavailable")]
    [InlineData(408, "Unavailable")]
    [InlineData(429, "RateLimited")]
    [InlineData(403, "Unauthorized")]
    [InlineData(400, "Misbehaving")]
    [InlineData(418, "Misbehaving")]
    public async Task Status_determines_the_kind_of_failure(int status, string expected)
    {
        Hub.When(r => r.IsAnyManifest).Respond(status);
        var failure = await FailureOfAsync(await BuildAsync(), Manifest());
        Assert.Equal((expected, status), (failure.Failure.ToString(), failure.Status));
        Assert.Contains($"GET manifest latest of {Name}", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task HEAD_answered_405_is_returned_to_the_caller()
    {
        Hub.When(r => r.IsAnyManifest).RefuseHead();
        await using var response = await (await BuildAsync()).SendAsync(Manifest(method: HttpMethod.Head), default);
        Assert.Equal(405, response.Status);
    }

    [Fact]
    public async Task Closed_port_and_unknown_host_are_unavailable()
    {
        await Hub.DisposeAsync();
        Assert.Equal(UpstreamFailure.Unavailable, (await FailureOfAsync(await BuildAsync(), Manifest())).Failure);
        var nameless = await BuildAsync(OptionsFor(Hub) with { Urls = [new("http://nowhere.invalid")] });
        var failure = await FailureOfAsync(nameless, Manifest());
        Assert.Equal(UpstreamFailure.Unavailable, failure.Failure);
        Assert.Contains("nowhere.invalid could not be resolved", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Connection_closed_before_the_headers_is_unavailable()
    {
        Hub.When(r => r.IsAnyManifest).Drop();
        Assert.Equal(UpstreamFailure.Unavailable, (await FailureOfAsync(await BuildAsync(), Manifest())).Failure);
        Assert.Single(Hub.Requests);
    }

    [Fact]
    public async Task Advisory_row_33_encoded_body_is_returned_unchanged_with_its_codings()
    {
        Hub.When(r => r.IsAnyManifest || r.IsAnyBlob).Gzip();
        var upstream = await BuildAsync();
        foreach (var request in new[] { Manifest(), Blob() })
        {
            await using var response = await upstream.SendAsync(request, default);
            Assert.Equal(["gzip"], response.Codings);
            Assert.Equal(0x1F, response.Body.ReadByte());
        }
    }

    [Fact]
    public async Task Web_page_instead_of_a_manifest_is_misbehaving()
    {
        Hub.When(r => r.IsAnyManifest).Respond(200, "<html>", "text/html; charset=utf-8");
        Assert.Equal(UpstreamFailure.Misbehaving, (await FailureOfAsync(await BuildAsync(), Manifest())).Failure);
    }

    [Theory]
    [InlineData("bytes 11-20/100000")]
    [InlineData("bytes 10-21/100000")]
    [InlineData("items 10-20/100000")]
    [InlineData(null)]
    public async Task Response_with_another_range_than_requested_is_misbehaving(string? contentRange)
    {
        Hub.When(r => r.IsAnyBlob).Header("Content-Range", contentRange);
        Assert.Equal(UpstreamFailure.Misbehaving, (await FailureOfAsync(await BuildAsync(), Blob((10, 20)))).Failure);
    }

    [Fact]
    public async Task Three_failures_open_the_breaker_and_one_success_closes_it()
    {
        Hub.When(r => r.IsAnyManifest).Respond(500);
        var upstream = await BuildAsync();
        for (var i = 0; i < 10; i++) await FailureOfAsync(upstream, Manifest());
        Assert.Equal(3, Hub.Requests.Count);
        var refused = await FailureOfAsync(upstream, Manifest());
        Assert.InRange(refused.RetryAfter!.Value, TimeSpan.FromTicks(1), TimeSpan.FromSeconds(10));
        Hub.Behave();
        Clock.Advance(TimeSpan.FromSeconds(10));
        for (var i = 0; i < 3; i++) Assert.Equal(Image.Manifest, await ReadAsync(await upstream.SendAsync(Manifest(), default)));
    }

    [Fact]
    public async Task After_the_pause_the_breaker_lets_one_request_through()
    {
        Hub.When(r => r.IsAnyManifest).Respond(500).Times(3);
        var gate = new TaskCompletionSource();
        Hub.When(r => r.IsAnyManifest).WaitFor(gate.Task);
        var upstream = await BuildAsync();
        for (var i = 0; i < 3; i++) await FailureOfAsync(upstream, Manifest());
        Clock.Advance(TimeSpan.FromSeconds(10));
        var trying = upstream.SendAsync(Manifest(), default);
        await Hub.ReceivedAsync(_ => Hub.Requests.Count == 4);
        for (var i = 0; i < 5; i++) await FailureOfAsync(upstream, Manifest());
        Assert.Equal(4, Hub.Requests.Count);
        gate.SetResult();
        await ReadAsync(await trying);
        await ReadAsync(await upstream.SendAsync(Manifest(), default));
    }

    [Theory]
    [InlineData(429)]
    [InlineData(503)]
    public async Task Retry_After_is_honored_as_a_delay_a_date_or_a_Unix_time(int status)
    {
        foreach (var form in (string[])["delay", "date", "Unix time"])
        {
            var hub = await StartAsync();
            var until = Clock.GetUtcNow().AddSeconds(120);
            var wait = form switch
            {
                "delay" => "120",
                "date" => until.ToString("r", CultureInfo.InvariantCulture),
                _ => until.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
            };
            hub.When(r => r.IsAnyManifest).Respond(status).Header("Retry-After", wait);
            var upstream = await BuildAsync(OptionsFor(hub));
            Assert.InRange((await FailureOfAsync(upstream, Manifest())).RetryAfter!.Value.TotalSeconds, 100, 121);
            Clock.Advance(TimeSpan.FromSeconds(60));
            Assert.InRange((await FailureOfAsync(upstream, Manifest())).RetryAfter!.Value.TotalSeconds, 40, 61);
            Assert.Single(hub.Requests);
            Clock.Advance(TimeSpan.FromSeconds(61));
            await FailureOfAsync(upstream, Manifest());
            Assert.Equal(2, hub.Requests.Count);
        }
    }

    [Fact]
    public async Task Answer_429_to_a_manifest_GET_does_not_stop_HEADs_and_blobs()
    {
        Hub.When(r => r.IsAnyManifest && r.IsGet).RateLimit("60");
        var upstream = await BuildAsync();
        Assert.Equal(UpstreamFailure.RateLimited, (await FailureOfAsync(upstream, Manifest())).Failure);
        Assert.Equal(UpstreamFailure.RateLimited, (await FailureOfAsync(upstream, Manifest())).Failure);
        await using var head = await upstream.SendAsync(Manifest(method: HttpMethod.Head), default);
        Assert.Equal(Layer, await ReadAsync(await upstream.SendAsync(Blob(), default)));
        Assert.Equal(3, Hub.Requests.Count);
    }

    [Fact]
    public async Task Canceled_requests_to_a_hanging_endpoint_open_the_breaker()
    {
        Hub.When(r => r.IsAnyManifest).HangBeforeHeaders();
        var upstream = await BuildAsync();
        var hangs = Enumerable.Range(0, 3).Select(async _ =>
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(1.5));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => upstream.SendAsync(Manifest(), patience.Token));
        });
        await Task.WhenAll(hangs);
        Assert.Equal(UpstreamFailure.Unavailable, (await FailureOfAsync(upstream, Manifest())).Failure);
        Assert.Equal(3, Hub.Requests.Count);
    }

    [Fact]
    public async Task Three_wrong_bodies_open_the_breaker()
    {
        var upstream = await BuildAsync();
        for (var i = 0; i < 3; i++)
        {
            await ReadAsync(await upstream.SendAsync(Blob(), default));
            upstream.Report(Hub.Url, wrong: true);
        }
        Assert.Equal(UpstreamFailure.Unavailable, (await FailureOfAsync(upstream, Blob())).Failure);
    }

    [Fact]
    public async Task Next_endpoint_is_tried_after_a_failure()
    {
        var second = await StartAsync("127.0.0.2");
        second.AddManifest(Name, Image.Manifest, MediaTypes.OciManifest, "latest");
        Hub.When(r => r.IsAnyManifest).Respond(502);
        var upstream = await BuildAsync(OptionsFor(Hub, second));
        await using var response = await upstream.SendAsync(Manifest(), default);
        Assert.Equal(second.Url, response.Endpoint);
        Assert.Equal(1, Hub.Count(r => r.IsAnyManifest));
    }

    [Fact]
    public async Task Endpoint_that_failed_for_this_content_is_tried_last()
    {
        var second = await StartAsync("127.0.0.2");
        second.AddBlob(Name, Layer);
        var upstream = await BuildAsync(OptionsFor(Hub, second));
        await using var response = await upstream.SendAsync(Blob() with { Except = Hub.Url }, default);
        Assert.Equal(second.Url, response.Endpoint);
        second.When(r => r.IsAnyBlob).Respond(500);
        await using var again = await upstream.SendAsync(Blob() with { Except = Hub.Url }, default);
        Assert.Equal(Hub.Url, again.Endpoint);
    }

    [Fact]
    public async Task Answer_404_is_final_and_other_endpoints_are_not_tried()
    {
        var second = await StartAsync("127.0.0.2");
        var upstream = await BuildAsync(OptionsFor(Hub, second));
        await using var response = await upstream.SendAsync(Manifest("absent"), default);
        Assert.Equal((404, Hub.Url), (response.Status, response.Endpoint));
        Assert.DoesNotContain(second.Requests, r => r.IsAnyManifest);
    }

    [Fact]
    public async Task Several_endpoints_are_probed_and_an_answer_401_is_healthy()
    {
        var dead = await StartAsync("127.0.0.2");
        dead.When(r => r.Path == "/v2/").Respond(500);
        Hub.RequireToken();
        var upstream = await BuildAsync(OptionsFor(dead, Hub));
        await Hub.ReceivedAsync(r => r.Path == "/v2/" && r.Status == 401);
        await dead.ReceivedAsync(r => r.Path == "/v2/" && r.Status == 500);
        // The result of the probe is available shortly after its response.
        await Patience.UntilAsync(
            async () =>
            {
                await using var response = await upstream.SendAsync(Manifest(), default);
                return response.Endpoint == Hub.Url;
            },
            () => "the healthy endpoint is tried before the failed one");
    }

    [Fact]
    public async Task Https_upstream_with_a_private_certificate_is_trusted_only_with_its_configured_authority()
    {
        var secure = await StartAsync("127.0.0.2", https: true);
        secure.AddManifest(Name, Image.Manifest, MediaTypes.OciManifest, "latest");
        var failure = await FailureOfAsync(await BuildAsync(OptionsFor(secure)), Manifest());
        Assert.Equal(UpstreamFailure.Unavailable, failure.Failure);
        Assert.Contains("does not trust (TLS); name the file of its authority", failure.Message, StringComparison.Ordinal);
        var trusting = await BuildAsync(OptionsFor(secure) with { CertificateAuthority = FileWith(secure.AuthorityPem) });
        Assert.Equal(Image.Manifest, await ReadAsync(await trusting.SendAsync(Manifest(), default)));
    }

    [Fact]
    public async Task Handshake_that_fails_says_what_to_change()
    {
        var secure = await StartAsync("127.0.0.2", https: true);
        var other = new UriBuilder(secure.Url) { Host = "other.example" }.Uri;
        var plain = new UriBuilder(Hub.Url) { Scheme = "https" }.Uri;

        var name = await FailureOfAsync(
            await BuildAsync(
                OptionsFor(secure) with { Urls = [other], CertificateAuthority = FileWith(secure.AuthorityPem) },
                (_, _) => Task.FromResult<IPAddress[]>([IPAddress.Parse("127.0.0.2")])),
            Manifest());
        var scheme = await FailureOfAsync(await BuildAsync(OptionsFor(Hub) with { Urls = [plain] }), Manifest());

        Assert.Contains("has a certificate for another name", name.Message, StringComparison.Ordinal);
        Assert.Contains("write http:// in its url", scheme.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reload_keeps_the_client_of_an_unchanged_upstream_and_replaces_the_client_of_a_changed_one()
    {
        Hub.RequireToken();
        var all = await BuildAllAsync(OptionsFor(Hub));
        var before = all["hub"];
        await ReadAsync(await before.SendAsync(Manifest(), default));
        await all.ReloadAsync([OptionsFor(Hub)]);
        Assert.Same(before, all["hub"]);
        await all.ReloadAsync([OptionsFor(Hub) with { Redirects = ["a"] }]);
        Assert.NotSame(before, all["hub"]);
        await ReadAsync(await all["hub"].SendAsync(Manifest(), default));
        Assert.Equal(2, Hub.Count(r => r.IsToken));
        // A request that began with the old client can finish.
        await ReadAsync(await before.SendAsync(Manifest(), default));
        await all.ReloadAsync([]);
        Assert.Throws<KeyNotFoundException>(() => all["hub"]);
    }
}
