using Gateway.Oci;
using Scripted;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Who gets to see what when something is sent: tokens for pushing, other hosts, redirects.</summary>
public sealed class PushTrustTests : WriterTest
{
    private static readonly string PushScope = Uri.EscapeDataString($"repository:{App}:pull,push");

    [Fact]
    public async Task A_token_for_pushing_is_there_before_the_body_is_sent()
    {
        Hub.RequireToken();
        var upstream = await BuildAsync();
        await PutAsync(WriterFor(upstream));
        AssertArrived();
        // One 401 to learn the realm; the session's requests all come with a token.
        Assert.Equal(1, Hub.Count(r => r.Status == 401));
        Assert.Equal(1, Hub.Count(r => r.IsToken && r.Query.Contains(PushScope, StringComparison.Ordinal)));
        await PutAsync(WriterFor(upstream), [1, 2, 3]);
        Assert.Equal(2, Hub.Count(r => r.IsToken));
    }

    [Theory]
    [InlineData(300_000)]
    [InlineData(8 * 1024 * 1024)]
    public async Task A_token_that_ends_during_a_push_is_renewed_and_the_body_opened_again(int length)
    {
        Hub.RequireToken();
        var bytes = ScriptedUpstream.Bytes(length, seed: 5);
        Hub.When(r => r.Method == "PATCH").Challenge($"Bearer realm=\"{Hub.Url}token\",service=\"scripted\"").Once();
        await PutAsync(await WriterAsync(), bytes);
        Assert.Equal(bytes, Hub.FindBlob(App, Digest.Of(bytes).ToString()));
        // A large body waits for the upstream to ask for it, and so is not opened in vain.
        Assert.Equal(length > 1024 * 1024 ? [0] : [0, 0], Opened);
        Assert.Equal(2, Hub.Count(r => r.IsToken && r.Query.Contains(PushScope, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task An_upstream_that_expects_nothing_is_sent_a_large_body_all_the_same()
    {
        var bytes = ScriptedUpstream.Bytes(2 * 1024 * 1024, seed: 6);
        Hub.When(r => r.Headers.ContainsKey("Expect")).Respond(417).Once();
        await PutAsync(await WriterAsync(), bytes);
        Assert.Equal(bytes, Hub.FindBlob(App, Digest.Of(bytes).ToString()));
    }

    [Fact]
    public async Task A_right_that_is_missing_is_told_and_asked_for_no_more_than_once_in_a_while()
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
    public async Task A_password_that_may_pull_and_not_push_still_pulls()
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
    public async Task A_client_pushes_with_his_own_credentials_and_no_others()
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
    public async Task A_session_stays_with_the_account_that_opened_it()
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
    public async Task Bytes_that_go_to_another_host_go_without_credentials()
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
    public async Task A_private_host_that_the_operator_did_not_name_gets_no_byte()
    {
        var storage = await StartAsync("127.0.0.2");
        Hub.UploadsTo = storage;
        var failure = await PutFailsAsync(await WriterAsync());
        Assert.Equal(UpstreamFailure.Misbehaving, failure.Failure);
        Assert.Contains("sends uploads to a private address", failure.Message, StringComparison.Ordinal);
        Assert.Empty(storage.Requests);
    }

    [Fact]
    public async Task Https_never_sends_uploads_to_http()
    {
        var secure = await StartAsync(https: true);
        secure.When(r => r.Method == "POST").Header("Location", $"http://127.0.0.1:{secure.Url.Port}/v2/{App}/blobs/uploads/1");
        var options = OptionsFor(secure) with { CertificateAuthority = FileWith(secure.AuthorityPem) };
        var failure = await PutFailsAsync(await WriterAsync(options));
        Assert.Contains("sends uploads from https to http", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_blob_arrives_by_https()
    {
        var secure = await StartAsync(https: true);
        await PutAsync(await WriterAsync(OptionsFor(secure) with { CertificateAuthority = FileWith(secure.AuthorityPem) }));
        AssertArrived(secure);
    }

    [Theory]
    [InlineData(307)]
    [InlineData(308)]
    public async Task A_redirect_is_followed_with_the_body_and_without_credentials(int status)
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
    public async Task A_session_without_an_address_is_said_to_have_none(string? location)
    {
        Hub.When(r => r.Method == "POST").Respond(202).Header("Location", location);
        var failure = await PutFailsAsync(await WriterAsync());
        Assert.Equal(UpstreamFailure.Misbehaving, failure.Failure);
        Assert.Contains("without a Location header", failure.Message, StringComparison.Ordinal);
    }
}
