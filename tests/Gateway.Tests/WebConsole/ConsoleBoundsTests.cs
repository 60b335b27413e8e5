using System.Net.Sockets;
using System.Text;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Operations;
using Gateway.Tests.Access;
using Gateway.Web;
using Gateway.WebConsole;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Tests.WebConsole;

/// <summary>What one person can use of the console, and what leaves the gateway.</summary>
public sealed class ConsoleBoundsTests
{
    [Fact]
    public void One_person_has_four_streams_and_listeners_leave_some_to_the_operator_port()
    {
        var live = new LiveParts(null!, TimeProvider.System);

        for (var i = 0; i < 4; i++) Assert.True(live.TryEnter(At("one")));
        Assert.False(live.TryEnter(At("one")));
        for (var i = 4; i < 80; i++) Assert.True(live.TryEnter(At($"{i / 4}")));
        Assert.False(live.TryEnter(At("late")));
        Assert.True(live.TryEnter(At("operator", isOperator: true)));

        static Visitor At(string source, bool isOperator = false) => new(null!, null!) { Source = source, IsAtOperatorPort = isOperator };
    }

    [Fact]
    public void One_account_has_twelve_streams_in_all_its_sessions()
    {
        var live = new LiveParts(null!, TimeProvider.System);

        for (var i = 0; i < 12; i++) Assert.True(live.TryEnter(At($"session {i}", "ann")));
        Assert.False(live.TryEnter(At("session 13", "ann")));
        Assert.True(live.TryEnter(At("session 14", "bob")));

        static Visitor At(string source, string account) => new(null!, null!) { Source = source, Account = account };
    }

    [Fact]
    public async Task Host_that_a_shell_would_run_is_not_in_the_commands_of_a_page()
    {
        var token = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(token, "0123456789abcdef");
            await using var rig = await GatewayRig.StartAsync(o => o with { Operator = o.Operator with { TokenFile = token } });
            using var connection = new TcpClient(rig.Operator.Host, rig.Operator.Port);
            await connection.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
                "GET /repositories HTTP/1.1\r\nHost: a'$(id).example:5001\r\nAuthorization: Bearer 0123456789abcdef\r\n"
                + "Connection: close\r\n\r\n"));

            using var reader = new StreamReader(connection.GetStream());
            var answer = await reader.ReadToEndAsync();

            Assert.StartsWith("HTTP/1.1 200", answer, StringComparison.Ordinal);
            Assert.DoesNotContain("$(id)", answer, StringComparison.Ordinal);
            Assert.Contains("docker push", answer, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(token);
        }
    }

    [Fact]
    public void Session_that_only_follows_a_page_ends_after_the_idle_limit()
    {
        var clock = new ManualClock();
        var sessions = new Sessions(clock);
        var id = sessions.Open("ann", null, "proof", Sessions.Longest).Id;

        clock.Advance(TimeSpan.FromMinutes(20));
        Assert.NotNull(sessions.Find(id, touch: false));
        clock.Advance(TimeSpan.FromMinutes(11));
        Assert.Null(sessions.Find(id));
    }

    [Theory]
    [InlineData("sid=1; gateway-console=a; theme=dark", "sid=1; theme=dark")]
    [InlineData("gateway-operator=a;sid=1", "sid=1")]
    [InlineData("gateway-operator=a; gateway-console=b", "")]
    [InlineData("sid=1;  x=gateway-console=2", "sid=1;  x=gateway-console=2")]
    public void Application_does_not_receive_sessions_of_the_console(string sent, string received)
    {
        var headers = new HeaderDictionary { ["Cookie"] = sent };

        WebHeaders.Reduce(headers, upgrades: false);

        Assert.Equal(received, headers["Cookie"].ToString());
    }

    [Fact]
    public void Application_cannot_set_a_session_of_the_console()
    {
        var headers = new HeaderDictionary
        {
            ["Set-Cookie"] = new(["sid=1; Path=/", "gateway-console=a; Path=/-/console", " gateway-operator =a"]),
        };

        WebHeaders.Rewrite(headers, "https://registry.corp.example", []);

        Assert.Equal("sid=1; Path=/", headers["Set-Cookie"].ToString());
    }

    [Fact]
    public void Long_texts_of_audit_entries_are_cut_in_memory()
    {
        var folder = Directory.CreateTempSubdirectory("gateway-audit-");
        try
        {
            using var audit = new AuditLog(
                new() { Path = Path.Combine(folder.FullName, "audit.log") }, TimeProvider.System, NullLogger.Instance);

            audit.Tell(new(DateTimeOffset.UtcNow, "release", "refused") { Repository = new('a', 60_000), Detail = new('b', 60_000) });

            var entry = audit.Recent().First();
            Assert.Equal((512, 512), (entry.Repository!.Length, entry.Detail!.Length));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>A fleet of thousand nodes logs in every five minutes; strangers at many addresses are refused as often.</summary>
    [Fact]
    public void Logins_displace_no_changes_from_the_latest_entries()
    {
        var folder = Directory.CreateTempSubdirectory("gateway-audit-");
        try
        {
            using var audit = new AuditLog(
                new() { Path = Path.Combine(folder.FullName, "audit.log") }, TimeProvider.System, NullLogger.Instance);
            var at = DateTimeOffset.UtcNow;

            audit.Tell(new(at, "delete", "done") { Repository = "team/app" });
            for (var i = 1; i <= 1500; i++) audit.Tell(new(at.AddSeconds(i), "login", "done") { Actor = $"node{i}" });
            audit.Tell(new(at.AddSeconds(1501), "push", "done") { Repository = "team/app" });

            string[] expected = ["push", "login", "delete", "start"];
            Assert.Equal(expected, audit.Recent().Select(static entry => entry.Event).Distinct());
            Assert.Equal("node1500", audit.Recent().ElementAt(1).Actor);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData(false, "*/*/*")]
    [InlineData(false, "*", "*/*", "*/*/*")]
    [InlineData(false, "*/**")]
    [InlineData(false, "**-**")]
    [InlineData(true, "**")]
    public void Administrator_of_the_gateway_has_the_right_in_names_of_every_depth(bool expected, params string[] patterns)
    {
        using var rig = new AccessRig(new AccessRule(["ci"], [.. patterns], AccessActions.Admin));

        Assert.Equal(expected, rig.Control.MayAdminister(new Identity.Known("ci")));
    }

    [Fact]
    public async Task Page_without_a_login_gets_its_style_from_a_browser_that_sends_no_fetch_headers()
    {
        var token = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(token, "0123456789abcdef");
            await using var rig = await GatewayRig.StartAsync(o => o with { Operator = o.Operator with { TokenFile = token } });

            using var style = await rig.Client.GetAsync(new Uri(rig.Operator, "/assets/console.css"));
            using var page = await rig.Client.GetAsync(new Uri(rig.Operator, "/repositories"));

            Assert.Equal((200, 401), ((int)style.StatusCode, (int)page.StatusCode));
        }
        finally
        {
            File.Delete(token);
        }
    }

    [Fact]
    public async Task Command_of_the_policy_page_has_no_text_that_is_no_reference()
    {
        await using var rig = await GatewayRig.StartAsync();

        var hostile = await rig.Client.GetStringAsync(new Uri(rig.Operator, "/policy?reference=team/app:$(id)&stage=pull"));
        var stage = await rig.Client.GetStringAsync(new Uri(rig.Operator, "/policy?reference=team/app:v1&stage=pull;id"));
        var good = await rig.Client.GetStringAsync(new Uri(rig.Operator, "/policy?reference=team/app:v1&stage=pull"));

        Assert.DoesNotContain("policy explain", hostile + stage, StringComparison.Ordinal);
        Assert.Contains("gateway policy explain team/app:v1 --stage pull", good, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Command_of_the_tree_has_no_text_that_is_no_name()
    {
        await using var rig = await GatewayRig.StartAsync();

        var hostile = await rig.Client.GetStringAsync(new Uri(rig.Operator, "/tree?under=team%27;id;%27"));
        var good = await rig.Client.GetStringAsync(new Uri(rig.Operator, "/tree?under=team/a-b/"));

        Assert.DoesNotContain(";id;", hostile, StringComparison.Ordinal);
        Assert.Contains("gateway repos &#x27;team/a-b/**&#x27;", good, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stopping_a_job_needs_json_which_no_page_can_send()
    {
        await using var rig = await GatewayRig.StartAsync();

        using var answer = await rig.Client.PostAsync(new Uri(rig.Operator, "/api/v1/jobs/1/stop"), null);

        Assert.Equal(415, (int)answer.StatusCode);
    }
}
