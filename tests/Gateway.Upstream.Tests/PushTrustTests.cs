using Gateway.Oci;
using Scripted;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>The trust boundary of pushes: tokens, other hosts, redirects.</summary>
public sealed class PushTrustTests : WriterTest
{
    private static readonly string PushScope = Uri.EscapeDataString($"repository:{App}:pull,push");

    [Fact]
    public async Task Push_token_is_fetched_before_the_body_is_sent()
    {
        Hub.RequireToken();
        var upstream = await BuildAsync();
        await PutAsync(WriterFor(upstream));
        AssertArrived();
        // One 401 states the realm; all requests of the session then carry a token.
        Assert.Equal(1, Hub.Count(r => r.Status == 401));
        Assert.Equal(1, Hub.Count(r => r.IsToken && r.Query.Contains(PushScope, StringComparison.Ordinal)));
        await PutAsync(WriterFor(upstream), [1, 2, 3]);
        Assert.Equal(2, Hub.Count(r => r.IsToken));
    }

    [Theory]
    [InlineData(300_000)]
    [InlineData(8 * 1024 * 1024)]
    public async Task Token_that_expires_during_a_push_is_renewed_and_the_body_is_opened_again(int length)
    {
        Hub.RequireToken();
        var bytes = ScriptedUpstream.Bytes(length, seed: 5);
        Hub.When(r => r.Method == "PATCH").Challenge($"Bearer realm=\"{Hub.Url}token\",service=\"scripted\"").Once();
        await PutAsync(await WriterAsync(), bytes);
        Assert.Equal(bytes, Hub.FindBlob(App, Digest.Of(bytes).ToString()));
        // A large body is opened only after the upstream asks for it, so the 401 does not open it.
        Assert.Equal(length > 1024 * 1024 ? [0] : [0, 0], Opened);
        Assert.Equal(2, Hub.Count(r => r.IsToken && r.Query.Contains(PushScope, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Large_body_is_sent_to_an_upstream_without_100_continue()
    {
        var bytes = ScriptedUpstream.Bytes(2 * 1024 * 1024, seed: 6);
        Hub.When(r => r.Headers.ContainsKey("Expect")).Respond(417).Once();
        await PutAsync(await WriterAsync(), bytes);
        Assert.Equal(bytes, Hub.FindBlob(App, Digest.Of(bytes).ToString()));
    }

    [Fact]
    public async Task Missing_push_permission_is_reported_and_the_request_is_not_repeated_for_a_while()
    {
        Hub.RequireToken();
        Hub.When(r => r.IsUpload).Challenge($"Bearer realm=\"{Hub.Url}token\",service=\"scripted\"");
        var upstream = await BuildAsync();
        for (var i = 0; i < 3; i++)
        {
            var failure = await PutFailsAsync(WriterFor(upstream));
            Assert.Equal(UpstreamFailure.Unauthorized, failure.Failure);
            Assert.Contains($"repository:{App}:pull,push", failure.Message, StringComparison.Ordinal);
        }
        Assert.Equal(1, Hub.Count(r => r.IsToken && r.Query.Contains(PushScope, StringComparison.Ordinal)));
        Assert.False(await WriterFor(upstream).HasBlobAsync(Digest, default));
    }

    [Fact]
    public async Task Account_without_push_permission_can_still_pull()
    {
        Hub.RequireBasic("me", "secret");
        Hub.When(r => r.IsUpload).Challenge("Basic realm=\"scripted\"");
        var upstream = await BuildAsync(OptionsFor(Hub) with { Credentials = [new() { Username = "me", Password = "secret" }] });
        var failure = await PutFailsAsync(WriterFor(upstream));
        Assert.Equal(UpstreamFailure.Unauthorized, failure.Failure);
        Assert.DoesNotContain("secret", failure.Message, StringComparison.Ordinal);
        await using var response = await upstream.SendAsync(Manifest(), default);
        Assert.Equal(200, response.Status);
    }

    [Fact]
    public async Task Push_as_a_client_uses_only_the_clients_credentials()
    {
        Hub.RequireToken();
        (Hub.Tokens.Username, Hub.Tokens.Password) = ("she", "hers");
        var upstream = await BuildAsync(OptionsFor(Hub) with { Credentials = [new() { Username = "we", Password = "ours" }] });
        await PutAsync(WriterFor(upstream.As(new Credential("she", "hers"))));
        AssertArrived();
        var shown = new Credential("she", "hers").Basic;
        Assert.All(Hub.Requests.Where(r => r.IsToken), r => Assert.Equal(shown, r.Authorization));
        Assert.Equal(UpstreamFailure.Unauthorized, (await PutFailsAsync(WriterFor(upstream.As(null)), [1])).Failure);
    }

    [Fact]
    public async Task All_requests_of_a_session_use_the_account_that_opened_it()
    {
        Hub.RequireBasic("reader", "1");
        Hub.RequireBasic("writer", "2");
        var reader = new Credential("reader", "1").Basic;
        Hub.When(r => r.IsUpload && r.Authorization == reader).Respond(403);
        Hub.When(r => r.Method == "PATCH").CutPush(after: 1000).Once();
        var upstream = await BuildAsync(OptionsFor(Hub) with
        {
            Credentials = [new() { Username = "reader", Password = "1" }, new() { Username = "writer", Password = "2" }],
        });
        await PutAsync(WriterFor(upstream));
        AssertArrived();
        Assert.Equal(1, Hub.Count(r => r.IsUpload && r.Authorization == reader));
        await PutAsync(WriterFor(upstream), [1, 2, 3]);
        Assert.Equal(1, Hub.Count(r => r.IsUpload && r.Authorization == reader));
    }

    [Fact]
    public async Task Upload_to_another_host_carries_no_credentials()
    {
        var storage = await StartAsync("127.0.0.2");
        Hub.RequireToken();
        Hub.UploadsTo = storage;
        await PutAsync(await WriterAsync(OptionsFor(Hub) with { Redirects = ["127.0.0.2"] }));
        AssertArrived();
        Assert.Equal("PATCH PUT", Asked(storage));
        Assert.All(storage.Requests, r => Assert.Null(r.Authorization));
    }

    [Fact]
    public async Task Upload_to_a_private_host_that_is_not_configured_is_refused()
    {
        var storage = await StartAsync("127.0.0.2");
        Hub.UploadsTo = storage;
        var failure = await PutFailsAsync(await WriterAsync());
        Assert.Equal(UpstreamFailure.Misbehaving, failure.Failure);
        Assert.Contains("sends uploads to a private address", failure.Message, StringComparison.Ordinal);
        Assert.Empty(storage.Requests);
    }

    [Fact]
    public async Task Upload_from_https_to_http_is_refused()
    {
        var secure = await StartAsync(https: true);
        secure.When(r => r.Method == "POST").Header("Location", $"http://127.0.0.1:{secure.Url.Port}/v2/{App}/blobs/uploads/1");
        var options = OptionsFor(secure) with { CertificateAuthority = FileWith(secure.AuthorityPem) };
        var failure = await PutFailsAsync(await WriterAsync(options));
        Assert.Contains("sends uploads from https to http", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Blob_is_stored_over_https()
    {
        var secure = await StartAsync(https: true);
        await PutAsync(await WriterAsync(OptionsFor(secure) with { CertificateAuthority = FileWith(secure.AuthorityPem) }));
        AssertArrived(secure);
    }

    [Theory]
    [InlineData(307)]
    [InlineData(308)]
    public async Task Redirect_of_an_upload_is_followed_with_the_body_and_without_credentials(int status)
    {
        var storage = await StartAsync("127.0.0.2");
        Hub.UploadsTo = storage;
        Hub.RequireToken();
        storage.When(r => r.Method == "PATCH" && !r.Query.Contains("again", StringComparison.Ordinal))
            .Respond(status).Header("Location", "?state=1&again=1").Once();
        await PutAsync(await WriterAsync(OptionsFor(Hub) with { Redirects = ["127.0.0.2"] }));
        AssertArrived();
        Assert.Equal([0, 0], Opened);
        Assert.All(storage.Requests, r => Assert.Null(r.Authorization));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("http://[")]
    public async Task Session_without_a_Location_is_misbehaving(string? location)
    {
        Hub.When(r => r.Method == "POST").Respond(202).Header("Location", location);
        var failure = await PutFailsAsync(await WriterAsync());
        Assert.Equal(UpstreamFailure.Misbehaving, failure.Failure);
        Assert.Contains("without a Location header", failure.Message, StringComparison.Ordinal);
    }
}
