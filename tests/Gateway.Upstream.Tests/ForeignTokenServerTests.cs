using System.IO.Compression;
using System.Text;
using WireMock;
using WireMock.RequestBuilders;
using WireMock.ResponseBuilders;
using WireMock.Server;
using WireMock.Settings;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Token servers of other registries, whose answers differ in fields, types, headers, methods and coding.</summary>
public sealed class ForeignTokenServerTests : UpstreamTest
{
    private const string Token = "eyJhbGciOiJub25lIn0.e30.c2ln";

    private readonly WireMockServer _server = WireMockServer.Start(new WireMockServerSettings { Urls = ["http://127.0.0.1:0"] });

    protected override void Dispose(bool disposing)
    {
        if (disposing) _server.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>Pulls a manifest from a registry that accepts only a token of this token server. Returns the status.</summary>
    private async Task<int> PullAsync()
    {
        Hub.When(r => r.IsAnyManifest && r.Authorization != $"Bearer {Token}")
            .Challenge($"Bearer realm=\"{_server.Url}/token\",service=\"registry\"");
        var upstream = await BuildAsync(OptionsFor(Hub) with { Realms = [new(_server.Url!)] });
        await using var response = await upstream.SendAsync(Manifest(), default);
        return response.Status;
    }

    private void Answer(string body, string type = "application/json", int status = 200) =>
        _server.Given(Request.Create().WithPath("/token").UsingGet())
            .RespondWith(Response.Create().WithStatusCode(status).WithHeader("Content-Type", type).WithBody(body));

    [Theory]
    [InlineData($$"""{"token":"{{Token}}","access_token":"{{Token}}","expires_in":300,"issued_at":"2026-01-01T00:00:00.123456789Z"}""")]
    [InlineData($$"""{"access_token":"{{Token}}","token":"","expires_in":"3599","not_before":"1767225600"}""")]
    [InlineData($$"""{"token":"{{Token}}"}""")]
    [InlineData($$"""{"token":"{{Token}}","expires_in":0,"issued_at":"yesterday"}""")]
    [InlineData($$"""{"token":"{{Token}}","expires_in":1e300}""")]
    [InlineData($$"""{"extra":{"deep":[1,{}]},"scope":["a","b"],"refresh_token":"other","token":"{{Token}}"}""")]
    public async Task Token_is_used_regardless_of_other_fields_in_the_answer(string body)
    {
        Answer(body);
        Assert.Equal(200, await PullAsync());
    }

    [Theory]
    [InlineData("text/plain")]
    [InlineData("application/json;charset=UTF-8")]
    [InlineData("application/octet-stream")]
    public async Task Token_is_used_regardless_of_the_content_type(string type)
    {
        Answer($$"""{"token":"{{Token}}"}""", type);
        Assert.Equal(200, await PullAsync());
    }

    [Fact]
    public async Task Token_in_a_compressed_answer_is_used()
    {
        var packed = new MemoryStream();
        await using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            await gzip.WriteAsync(Encoding.UTF8.GetBytes($$"""{"token":"{{Token}}"}"""));
        _server.Given(Request.Create().WithPath("/token").UsingGet())
            .RespondWith(Response.Create().WithStatusCode(200).WithHeader("Content-Encoding", "gzip").WithBody(packed.ToArray()));
        Assert.Equal(200, await PullAsync());
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"token\":null}")]
    [InlineData("{\"token\":[\"a\"]}")]
    [InlineData("{\"details\":\"captcha required\"}")]
    [InlineData("<html><title>Sign in</title></html>")]
    public async Task Answer_without_a_token_makes_the_upstream_misbehave(string body)
    {
        Answer(body);
        var problem = await Assert.ThrowsAsync<UpstreamException>(PullAsync);
        Assert.Equal(UpstreamFailure.Misbehaving, problem.Failure);
        Assert.Contains("token server", problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(429, UpstreamFailure.RateLimited)]
    [InlineData(500, UpstreamFailure.Unavailable)]
    [InlineData(503, UpstreamFailure.Unavailable)]
    [InlineData(403, UpstreamFailure.Unauthorized)]
    [InlineData(418, UpstreamFailure.Misbehaving)]
    public async Task Status_of_the_token_server_determines_the_kind_of_failure(int status, UpstreamFailure expected)
    {
        Answer("""{"errors":[{"code":"DENIED"}]}""", status: status);
        Assert.Equal(expected, (await Assert.ThrowsAsync<UpstreamException>(PullAsync)).Failure);
    }

    [Fact]
    public async Task Token_request_has_service_and_scope_and_no_cookie()
    {
        _server.Given(Request.Create().WithPath("/token").UsingGet()).RespondWith(Response.Create()
            .WithStatusCode(200).WithHeader("Set-Cookie", "session=1; Path=/").WithBody($$"""{"token":"{{Token}}"}"""));
        for (var i = 0; i < 2; i++) Assert.Equal(200, await PullAsync());

        Assert.All(_server.LogEntries.Select(entry => entry.RequestMessage!), request =>
        {
            Assert.Equal("registry", Assert.Single(request.Query!["service"]));
            Assert.Equal($"repository:{Name}:pull", Assert.Single(request.Query["scope"]));
            Assert.DoesNotContain("Cookie", request.Headers!.Keys);
        });
    }
}
