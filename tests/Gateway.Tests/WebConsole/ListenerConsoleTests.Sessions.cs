using Gateway.Access;
using Gateway.Configuration;
using Gateway.Tests.Access;
using Gateway.WebConsole;
using Xunit;

namespace Gateway.Tests.WebConsole;

/// <summary>How sessions begin, what they are worth elsewhere, and how they end.</summary>
public sealed partial class ListenerConsoleTests
{
    [Fact]
    public async Task Cookie_is_secure_where_browsers_reach_the_listener_over_https()
    {
        await using var rig = await GatewayRig.StartAsync(
            options => Configure(options) with { PublicUrl = new("https://registry.corp.example") });
        using var person = new Person(rig.Url);

        Assert.Equal(303, await person.LogInAsync("puller", Password));

        Assert.EndsWith("; secure; samesite=strict; httponly", Assert.Single(person.SetCookies), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Login_gives_a_new_session_and_ends_the_one_whose_cookie_was_sent()
    {
        using var person = new Person(_rig.Url);
        using var attacker = new Person(_rig.Url);
        await attacker.LogInAsync("pusher", Password);
        var planted = attacker.Cookies["gateway-console"];
        person.Cookies["gateway-console"] = planted;

        Assert.Equal(303, await person.LogInAsync("chief", Password));

        Assert.NotEqual(planted, person.Cookies["gateway-console"]);
        using var answer = await attacker.GetAsync("/repositories");
        Assert.Equal(401, (int)answer.StatusCode);
    }

    [Fact]
    public async Task Cookie_that_the_gateway_did_not_make_is_no_session()
    {
        foreach (var value in (string[])["", "a", new string('0', 64), new string('f', 4000)])
        {
            using var person = new Person(_rig.Url);
            person.Cookies["gateway-console"] = value;
            using var answer = await person.GetAsync("/repositories");
            Assert.Equal((value.Length, 401), (value.Length, (int)answer.StatusCode));
            Assert.Equal(303, await person.LogInAsync("puller", Password));
            Assert.NotEqual(value, person.Cookies["gateway-console"]);
        }
    }

    [Fact]
    public async Task Login_leads_to_the_console_whatever_the_address_asks_for()
    {
        using var person = new Person(_rig.Url);
        var form = new Dictionary<string, string>
        {
            ["csrf"] = await person.CsrfAsync(), ["account"] = "puller", ["password"] = Password, ["next"] = "//evil.example",
        };

        using var answer = await person.SendAsync("POST", "/login?next=//evil.example&returnUrl=https://evil.example", form);

        Assert.Equal((303, "/-/console/"), ((int)answer.StatusCode, answer.Headers.Location?.OriginalString));
    }

    [Fact]
    public async Task Session_of_the_operator_port_is_none_on_a_listener_and_the_other_way_around()
    {
        var token = Path.Combine(_folder, "token");
        await File.WriteAllTextAsync(token, "0123456789abcdef");
        await using var rig = await GatewayRig.StartAsync(
            options => Configure(options) with { Operator = options.Operator with { TokenFile = token } });
        using var person = new Person(rig.Url);
        await person.LogInAsync("chief", Password);
        using var operatorPerson = new Person(rig.Operator, "");
        Assert.Equal(303, await operatorPerson.PostAsync("/login", new() { ["password"] = "0123456789abcdef" }));
        using (var own = await operatorPerson.GetAsync("/upkeep")) Assert.Equal(200, (int)own.StatusCode);

        using var there = new Person(rig.Url);
        there.Cookies["gateway-console"] = operatorPerson.Cookies["gateway-operator"];
        using var other = new Person(rig.Operator, "");
        other.Cookies["gateway-operator"] = person.Cookies["gateway-console"];
        foreach (var one in (Person[])[there, other])
        {
            using var answer = await one.GetAsync("/upkeep");
            Assert.Equal(401, (int)answer.StatusCode);
        }
        // A session is for pages: commands need the token.
        using var api = await operatorPerson.GetAsync("/api/v1/pages/upkeep");
        Assert.Equal(401, (int)api.StatusCode);
    }

    [Fact]
    public async Task Session_of_an_identity_token_ends_with_the_token()
    {
        using var issuer = new IssuerRig();
        await using var rig = await GatewayRig.StartAsync(options => Configure(options) with
        {
            Access = issuer.Access.Options with { Rules = [new(["ci:**"], ["**"], AccessActions.Pull)] },
        });
        using var person = new Person(rig.Url);
        var ends = DateTimeOffset.UtcNow.AddSeconds(4);

        Assert.Equal(303, await person.LogInAsync("oidc", issuer.Token(("exp", ends.ToUnixTimeSeconds()))));

        using var late = Patience.Limit(60);
        while (true)
        {
            using var answer = await person.GetAsync("/repositories");
            if ((int)answer.StatusCode == 401) break;
            await Task.Delay(100, late.Token);
        }
        Assert.InRange(DateTimeOffset.UtcNow, ends.AddSeconds(-2), DateTimeOffset.MaxValue);
    }

    /// <summary>Anyone with a repository at a public issuer can request a token with the gateway's audience.</summary>
    [Fact]
    public async Task Identity_token_whose_actor_no_rule_names_opens_no_session()
    {
        using var issuer = new IssuerRig();
        await using var rig = await GatewayRig.StartAsync(options => Configure(options) with
        {
            Access = issuer.Access.Options with
            {
                Rules =
                [
                    new(["@builders"], ["team/**"], AccessActions.Pull), new(["anonymous", "*"], ["public/**"], AccessActions.Pull),
                ],
            },
        });
        using var person = new Person(rig.Url);

        Assert.Equal(403, await person.LogInAsync("oidc", issuer.Token(("sub", "repo:evil/app:ref:refs/heads/main"))));
        Assert.Empty(person.Cookies);
        Assert.Equal(303, await person.LogInAsync("oidc", issuer.Token()));
    }

    [Fact]
    public void Sessions_on_listeners_do_not_end_those_of_the_operator_port()
    {
        var sessions = new Sessions(TimeProvider.System);
        var own = sessions.Open("operator", null, "token", Sessions.Longest);

        for (var i = 0; i < 1100; i++) sessions.Open($"ci:{i}", new Identity.Known($"ci:{i}"), "proof", Sessions.Longest);

        Assert.NotNull(sessions.Find(own.Id));
    }

    [Fact]
    public async Task Session_ends_when_the_password_changes()
    {
        using var person = new Person(_rig.Url);
        await person.LogInAsync("puller", Password);
        await File.WriteAllTextAsync(Htpasswd, $"puller:{BCrypt.Net.BCrypt.HashPassword("another password", 5)}\n");

        using var late = Patience.Limit(30);
        while (true)
        {
            using var answer = await person.GetAsync("/repositories");
            if ((int)answer.StatusCode == 401) break;
            await Task.Delay(50, late.Token);
        }
    }

    [Theory]
    [InlineData("GET", "/logout", 404)]
    [InlineData("HEAD", "/repositories", 200)]
    [InlineData("PUT", "/repositories", 405)]
    [InlineData("DELETE", "/tags?repository=team/app", 405)]
    [InlineData("TRACE", "/", 405)]
    [InlineData("GET", "/delete", 404)]
    [InlineData("POST", "/tags?repository=team/app", 405)]
    public async Task Page_answers_reads_alone(string method, string path, int status)
    {
        using var person = new Person(_rig.Url);
        await person.LogInAsync("chief", Password);

        using var answer = await person.SendAsync(method, path, method == "POST" ? [] : null);

        Assert.Equal(status, (int)answer.StatusCode);
        using var after = await person.GetAsync("/repositories");
        Assert.Equal(200, (int)after.StatusCode);
    }

    [Fact]
    public async Task Answers_for_one_person_are_kept_by_no_cache()
    {
        using var person = new Person(_rig.Url);
        await person.LogInAsync("chief", Password);
        string[] paths = ["/", "/repositories", "/tags?repository=team/app", "/image?repository=team/app&reference=v1", "/login"];
        foreach (var path in paths)
        {
            using var answer = await person.GetAsync(path);
            Assert.Equal((path, "no-store"), (path, answer.Headers.CacheControl?.ToString()));
            Assert.Null(answer.Headers.ETag);
            Assert.Null(answer.Content.Headers.LastModified);
        }
    }

    [Fact]
    public void Session_in_use_ends_after_twelve_hours_and_the_least_used_ends_first()
    {
        var clock = new ManualClock();
        var sessions = new Gateway.WebConsole.Sessions(clock);
        var first = sessions.Open("ann", null, "proof", Gateway.WebConsole.Sessions.Longest).Id;
        for (var used = TimeSpan.Zero; used < Gateway.WebConsole.Sessions.Longest; used += TimeSpan.FromMinutes(20))
        {
            Assert.NotNull(sessions.Find(first));
            clock.Advance(TimeSpan.FromMinutes(20));
        }
        Assert.Null(sessions.Find(first));

        var all = new List<string>();
        for (var i = 0; i < 16; i++) all.Add(sessions.Open("ann", null, "proof", Gateway.WebConsole.Sessions.Longest).Id);
        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.All(all.Skip(1), id => Assert.NotNull(sessions.Find(id)));
        sessions.Open("ann", null, "proof", Gateway.WebConsole.Sessions.Longest);
        Assert.Null(sessions.Find(all[0]));
        Assert.All(all.Skip(1), id => Assert.NotNull(sessions.Find(id)));
    }
}
