using System.Text;
using Gateway.Configuration;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>Who gets what, as clients see it (docs/access.md).</summary>
public sealed class AccessTests
{
    private static readonly AccessRule PublicPull = new(["anonymous"], ["open/**"], AccessActions.Pull);

    [Theory]
    [InlineData("GET", "/v2/", 401)]
    [InlineData("GET", "/v2/open/a/tags/list", 404)]
    [InlineData("GET", "/v2/secret/a/tags/list", 401)]
    [InlineData("PUT", "/v2/open/a/manifests/v1", 401)]
    [InlineData("DELETE", "/v2/open/a/manifests/v1", 401)]
    [InlineData("GET", "/v2/_catalog/", 401)]
    [InlineData("GET", "/nothing", 401)]
    public async Task Anonymous_caller_without_the_right_is_challenged(string method, string path, int status)
    {
        await using var rig = await StartAsync();
        using var answer = await rig.SendAsync(method, path);

        Assert.Equal(status, (int)answer.StatusCode);
        var challenge = $"Bearer realm=\"http://{rig.Url.Authority}/token\",service=\"{rig.Url.Authority}\"";
        Assert.Equal(status == 401 ? challenge : null, GatewayRig.Header(answer, "WWW-Authenticate"));
    }

    // dockerd repeats a push for a minute when the message is the one of distribution's code table, which it takes for none.
    [Fact]
    public async Task Challenge_message_differs_from_the_distribution_code_table()
    {
        await using var rig = await StartAsync();

        using var answer = await rig.SendAsync("POST", "/v2/closed/a/blobs/uploads/");

        var body = await answer.Content.ReadAsStringAsync();
        Assert.Equal(401, (int)answer.StatusCode);
        Assert.Contains("log in to this registry first", body, StringComparison.Ordinal);
        Assert.DoesNotContain("authentication required", body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wrong_credentials_are_refused_even_where_none_were_needed()
    {
        await using var rig = await StartAsync();
        var wrong = "Basic " + Convert.ToBase64String(Encoding.ASCII.GetBytes("nobody:nothing"));

        using var answer = await rig.SendAsync("GET", "/v2/open/a/tags/list", null, ("Authorization", wrong));
        Assert.Equal((401, "UNAUTHORIZED"), ((int)answer.StatusCode, await GatewayRig.ErrorCodeAsync(answer)));
    }

    [Fact]
    public async Task Anonymous_token_passes_the_ping_and_adds_no_rights()
    {
        await using var rig = await StartAsync();
        using var token = System.Text.Json.JsonDocument.Parse(await rig.Client.GetStringAsync(
            "/token?service=x&scope=repository:secret/a:pull"));
        var bearer = $"Bearer {token.RootElement.GetProperty("token").GetString()}";

        using var ping = await rig.SendAsync("GET", "/v2/", null, ("Authorization", bearer));
        using var secret = await rig.SendAsync("GET", "/v2/secret/a/tags/list", null, ("Authorization", bearer));
        Assert.Equal((200, 401), ((int)ping.StatusCode, (int)secret.StatusCode));
    }

    // As docker, containerd and the others write it.
    [Theory]
    [InlineData("GET", "/token?service=x&scope=repository:open/a:pull&scope=repository:secret/b:push&offline_token=true", 200)]
    [InlineData("GET", "/token?scope=repository:open/a:pull%20repository:open/b:pull", 200)]
    [InlineData("GET", "/token?scope=%ff&scope=", 200)]
    [InlineData("POST", "grant_type=password&username=ci&password=secret&service=x&scope=a&scope=b&access_type=offline", 200)]
    [InlineData("POST", "grant_type=password&username=ci&password=wrong&service=x", 401)]
    [InlineData("POST", "grant_type=password&username=unknown&password=secret&service=x", 401)]
    [InlineData("POST", "grant_type=refresh_token&refresh_token=none&service=x", 401)]
    [InlineData("POST", "grant_type=client_credentials&service=x", 400)]
    [InlineData("GET", "/token?grant_type=password&username=ci&password=secret", 400)]
    public async Task Tokens_are_asked_for_by_query_or_form(string method, string asked, int expected)
    {
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, Access.AccessRig.Line("ci", "secret"));
        await using var rig = await GatewayRig.StartAsync(o => o with { Access = new() { Htpasswd = file, Rules = [PublicPull] } });

        var form = method == "POST" ? new StringContent(asked, Encoding.ASCII, "application/x-www-form-urlencoded") : null;
        using var answer = await rig.SendAsync(method, form is null ? asked : "/token", form);

        using var body = System.Text.Json.JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        Assert.Equal(expected, (int)answer.StatusCode);
        Assert.Equal(expected == 200, body.RootElement.TryGetProperty("token", out _));
        var isOffline = asked.Contains("access_type=offline", StringComparison.Ordinal);
        Assert.Equal(isOffline, body.RootElement.TryGetProperty("refresh_token", out _));
        Assert.Equal("no-store", GatewayRig.Header(answer, "Cache-Control"));
        File.Delete(file);
    }

    [Theory]
    [InlineData("application/x-www-form-urlencoded;;")]
    [InlineData("application/x-www-form-urlencoded; =")]
    [InlineData("application/x-www-form-urlencoded; charset=utf-7")]
    [InlineData("application/x-www-form-urlencoded; charset=utf-16")]
    [InlineData("application/x-www-form-urlencoded; charset=none")]
    public async Task Parameters_of_a_forms_content_type_are_ignored(string type)
    {
        await using var rig = await StartAsync();
        using var form = new ByteArrayContent("grant_type=refresh_token&refresh_token=none"u8.ToArray());
        form.Headers.TryAddWithoutValidation("Content-Type", type);
        using var answer = await rig.SendAsync("POST", "/token", form);

        Assert.Equal((401, "UNAUTHORIZED"), ((int)answer.StatusCode, await GatewayRig.ErrorCodeAsync(answer)));
    }

    [Fact]
    public async Task Pull_only_listener_answers_the_ping_without_a_challenge_and_refuses_writes()
    {
        await using var rig = await GatewayRig.StartAsync(
            options => options with { Listen = [options.Listen[0] with { PullOnly = true }] });

        using var ping = await rig.SendAsync("GET", "/v2/");
        using var write = await rig.SendAsync("POST", "/v2/a/blobs/uploads/");
        Assert.Equal((200, 403), ((int)ping.StatusCode, (int)write.StatusCode));
    }

    [Fact]
    public async Task Host_not_served_by_the_listener_returns_421()
    {
        await using var rig = await GatewayRig.StartAsync(
            options => options with { Listen = [options.Listen[0] with { Hosts = ["gw.example"] }] });

        using var other = await rig.SendAsync("GET", "/v2/");
        using var right = await rig.SendAsync("GET", "/v2/", null, ("Host", "GW.example:5000"));
        Assert.Equal((421, 200), ((int)other.StatusCode, (int)right.StatusCode));
    }

    private static Task<GatewayRig> StartAsync() =>
        GatewayRig.StartAsync(options => options with { Access = new() { Rules = [PublicPull] } });
}
