using System.Net;
using System.Text;
using Gateway.Configuration;
using Gateway.Tests.Access;
using Xunit;

namespace Gateway.Tests.Web;

/// <summary>Who may use an upstream's web application: the rules of <c>access</c> with the action <c>web</c>.</summary>
public sealed class WebAccessTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-web-").FullName;

    public ValueTask InitializeAsync()
    {
        File.WriteAllText(Path.Combine(_folder, "htpasswd"), AccessRig.Line("ann", "secret"));
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Anonymous_rule_lets_everybody_in_and_leaves_credentials_to_the_application()
    {
        await using var rig = await StartAsync(new AccessRule(["anonymous"], ["**"], AccessActions.Web));
        using var answer = await rig.SendAsync("GET", "/headers", null, ("Authorization", Basic("admin", "Harbor12345")));
        Assert.Contains(Basic("admin", "Harbor12345"), await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    // Pulling, or using the pages of a part, is not using the whole application.
    [InlineData("**", "Pull")]
    [InlineData("team/**", "Web")]
    public async Task Without_a_rule_for_web_a_browser_is_asked_to_log_in(string repositories, string action)
    {
        await using var rig = await StartAsync(new AccessRule(["anonymous"], [repositories], Enum.Parse<AccessActions>(action)));
        using var answer = await rig.SendAsync("GET", "/");
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal($"Basic realm=\"{WebRig.Host}\", charset=\"UTF-8\"", GatewayRig.Header(answer, "WWW-Authenticate"));
        Assert.Empty(rig.Application.Requests);
    }

    [Fact]
    public async Task Account_of_the_gateway_opens_the_pages_and_its_password_stays_here()
    {
        await using var rig = await StartAsync(new AccessRule(["ann"], ["**"], AccessActions.Web));
        using var answer = await rig.SendAsync("GET", "/headers", null, ("Authorization", Basic("ann", "secret")), ("Cookie", "sid=1"));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var seen = rig.Application.Requests.Single().Headers;
        Assert.False(seen.ContainsKey("Authorization"));
        Assert.Equal("sid=1", seen["Cookie"]);
    }

    [Fact]
    public async Task Wrong_password_is_401_and_an_account_without_the_right_is_403()
    {
        await using var rig = await StartAsync(new AccessRule(["ann"], ["**"], AccessActions.Pull));
        using var wrong = await rig.SendAsync("GET", "/", null, ("Authorization", Basic("ann", "wrong")));
        Assert.Equal(HttpStatusCode.Unauthorized, wrong.StatusCode);
        using var refused = await rig.SendAsync("GET", "/", null, ("Authorization", Basic("ann", "secret")));
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        Assert.Contains("add the action web", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Empty(rig.Application.Requests);
    }

    [Fact]
    public async Task Rule_below_the_prefix_of_the_route_is_enough()
    {
        await using var rig = await StartAsync(
            new AccessRule(["anonymous"], ["corp/**"], AccessActions.Web), route => route with { Prefix = "corp" });
        using var answer = await rig.SendAsync("GET", "/headers");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Theory]
    [InlineData("corp/*")]
    [InlineData("corp/*/*/*")]
    public async Task Rule_for_some_depths_below_the_prefix_is_not_enough(string repositories)
    {
        await using var rig = await StartAsync(
            new AccessRule(["anonymous"], [repositories], AccessActions.Web), route => route with { Prefix = "corp" });
        using var answer = await rig.SendAsync("GET", "/headers");
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Empty(rig.Application.Requests);
    }

    [Fact]
    public async Task Listener_for_pulls_alone_forwards_no_writes()
    {
        await using var rig = await WebRig.StartAsync(
            configure: options => options with { Listen = [options.Listen[0] with { PullOnly = true }] });
        using var read = await rig.SendAsync("GET", "/headers");
        Assert.Equal(HttpStatusCode.OK, read.StatusCode);
        using var write = await rig.SendAsync("POST", "/size", new StringContent("x"));
        Assert.Equal(HttpStatusCode.Forbidden, write.StatusCode);
        Assert.Single(rig.Application.Requests);
    }

    [Fact]
    public async Task Gateways_own_credentials_for_the_upstream_are_never_added()
    {
        await using var rig = await WebRig.StartAsync(configure: options => options with
        {
            Upstreams = options.Upstreams.SetItem("corp", options.Upstreams["corp"] with
            {
                Credentials = [new() { Username = "gateway", Password = "its-own" }],
            }),
        });
        using var answer = await rig.SendAsync("GET", "/headers");
        Assert.False(rig.Application.Requests.Single().Headers.ContainsKey("Authorization"));
    }

    private Task<WebRig> StartAsync(AccessRule rule, Func<RouteOptions, RouteOptions>? route = null) => WebRig.StartAsync(
        route, options => options with { Access = new() { Htpasswd = Path.Combine(_folder, "htpasswd"), Rules = [rule] } });

    private static string Basic(string account, string password) =>
        "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{account}:{password}"));
}
