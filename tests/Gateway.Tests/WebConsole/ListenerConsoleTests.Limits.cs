using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Gateway.Testing;
using Gateway.Tests.Web;
using Xunit;

namespace Gateway.Tests.WebConsole;

public sealed partial class ListenerConsoleTests
{
    [Fact]
    public async Task Pull_only_listener_shows_pages_and_accepts_no_changes()
    {
        await using var rig = await GatewayRig.StartAsync(options =>
            Configure(options) with { Listen = [options.Listen[0], options.Listen[0] with { PullOnly = true }] });
        await PushAsync(rig, "team/app");
        using var full = new Person(rig.Listening[0]);
        using var reduced = new Person(rig.Listening[1]);
        Assert.Equal((303, 303), (await full.LogInAsync("chief", Password), await reduced.LogInAsync("chief", Password)));

        var fields = new Dictionary<string, string> { ["repository"] = "team/app", ["tag"] = "v1", ["sure"] = "yes" };
        string[] actions =
        [
            "/delete", "/collect", "/holds/release", "/holds/drop", "/rollback", "/trash/restore", "/trash/empty", "/policy/compare",
        ];
        foreach (var path in actions)
            Assert.Equal((path, 403), (path, await reduced.PostAsync(path, fields)));

        foreach (var (path, button) in ((string, string)[])[("/tags?repository=team/app", "/delete\""), ("/upkeep", "/collect\"")])
        {
            Assert.Contains(button, await full.ReadAsync(path), StringComparison.Ordinal);
            var page = await reduced.ReadAsync(path);
            Assert.Contains("Log out", page, StringComparison.Ordinal);
            Assert.DoesNotContain(button == "/delete\"" ? "class=\"danger\"" : button, page, StringComparison.Ordinal);
        }
        Assert.Equal(303, await reduced.PostAsync("/logout", []));
    }

    [Fact]
    public async Task Rollback_needs_the_right_to_push_and_the_trash_is_a_matter_of_the_operator()
    {
        using var puller = new Person(_rig.Url);
        using var pusher = new Person(_rig.Url);
        using var chief = new Person(_rig.Url);
        await puller.LogInAsync("puller", Password);
        await pusher.LogInAsync("pusher", Password);
        await chief.LogInAsync("chief", Password);
        var digest = Digests().Match(await chief.ReadAsync("/tags?repository=team/app")).Value;
        var fields = new Dictionary<string, string> { ["repository"] = "team/app", ["tag"] = "v2", ["digest"] = digest };

        Assert.Equal(409, await puller.PostAsync("/rollback", fields));
        foreach (var path in (string[])["/trash/restore", "/trash/empty", "/policy/compare"])
            Assert.Equal((path, 403), (path, await pusher.PostAsync(path, fields)));
        Assert.Equal(200, await pusher.PostAsync("/rollback", fields));
        Assert.Equal(409, await pusher.PostAsync("/rollback", new(fields) { ["repository"] = "secret/app" }));

        foreach (var (person, path, status) in ((Person, string, int)[])
        [
            (puller, $"/rollback?repository=team/app&tag=v1&digest={digest}", 404), (pusher, "/trash", 404),
            (pusher, "/configuration", 404), (pusher, "/policy/compare", 404),
            (pusher, $"/rollback?repository=team/app&tag=v1&digest={digest}", 200),
            (pusher, "/tree", 200), (chief, "/trash", 200), (puller, "/layers?repository=secret/app&reference=v1", 404),
        ])
        {
            using var answer = await person.GetAsync(path);
            Assert.Equal((path, status), (path, (int)answer.StatusCode));
        }
        // The puller sees the one tree that has something for it: secret/app is not in it.
        var tree = await puller.ReadAsync("/tree");
        Assert.Contains("team", tree, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", tree, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", await puller.ReadAsync("/layers?repository=team/app&reference=v1"), StringComparison.Ordinal);
        Assert.DoesNotContain("what deleting frees", await puller.ReadAsync("/repositories"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Policy_of_a_person_who_is_not_the_operator_is_refused_before_it_is_read()
    {
        using var puller = new Person(_rig.Url);
        await puller.LogInAsync("puller", Password);
        using var late = Patience.Limit(20);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, _rig.Url.Port, late.Token);

        // The body is never sent.
        await socket.SendAsync(Encoding.ASCII.GetBytes(
            $"POST /-/console/policy/compare HTTP/1.1\r\nHost: {_rig.Url.Authority}\r\n"
            + $"Cookie: {string.Join("; ", puller.Cookies.Select(static c => $"{c.Key}={c.Value}"))}\r\n"
            + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 400000\r\n\r\n"), late.Token);
        var answer = new byte[12];
        await socket.ReceiveAsync(answer, late.Token);

        Assert.Equal("HTTP/1.1 403", Encoding.ASCII.GetString(answer));
    }

    [Fact]
    public async Task Only_pages_that_change_by_themselves_can_be_followed()
    {
        using var chief = new Person(_rig.Url);
        using var puller = new Person(_rig.Url);
        await chief.LogInAsync("chief", Password);
        await puller.LogInAsync("puller", Password);

        foreach (var path in (string[])["/live/repositories", "/live/tags?repository=team/app", "/live/policy", "/live/live/"])
        {
            using var answer = await chief.GetAsync(path);
            Assert.Equal((path, 404), (path, (int)answer.StatusCode));
        }
        using var whole = await puller.GetAsync("/live/");
        using var head = await chief.SendAsync("HEAD", "/live/holds", null);
        Assert.Equal((404, 404), ((int)whole.StatusCode, (int)head.StatusCode));
    }

    [Fact]
    public async Task Followed_page_ends_when_the_configuration_changes_the_rights()
    {
        using var pusher = new Person(_rig.Url);
        await pusher.LogInAsync("pusher", Password);
        using var answer = await pusher.FollowAsync("/live/holds");
        await using var stream = await answer.Content.ReadAsStreamAsync();
        var buffer = new byte[1 << 20];
        Assert.NotEqual(0, await stream.ReadAsync(buffer));

        await _rig.UseAsync(options => options with { Access = options.Access! with { Rules = [] } });

        using var late = Patience.Limit(30);
        while (await stream.ReadAsync(buffer, late.Token) > 0) Assert.False(late.IsCancellationRequested);
    }

    [Fact]
    public async Task Host_with_an_impossible_port_is_a_bad_request()
    {
        using var answer = await _rig.SendAsync("GET", "/-/console/", null, ("Host", "a:99999"));

        Assert.Equal(400, (int)answer.StatusCode);
    }

    [Fact]
    public async Task Host_of_a_forwarded_application_has_no_console()
    {
        await using var rig = await WebRig.StartAsync(configure: options => options with { Console = new() { Listen = true } });

        using var answer = await rig.SendAsync("GET", "/-/console/");

        Assert.DoesNotContain("<html", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.NotEqual(200, (int)answer.StatusCode);
    }

    [Fact]
    public async Task Command_on_a_listener_lets_the_shell_replace_the_operators_address()
    {
        using var chief = new Person(_rig.Url);
        await chief.LogInAsync("chief", Password);

        var page = WebUtility.HtmlDecode(await chief.ReadAsync("/policy"));

        Assert.Contains("curl -s \"$OPERATOR\"'/api/v1/pages/policy'", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Action_with_a_name_that_is_none_is_a_bad_request()
    {
        using var chief = new Person(_rig.Url);
        await chief.LogInAsync("chief", Password);
        var hold = new Dictionary<string, string> { ["repository"] = new('x', 20_000), ["tag"] = "v1", ["reason"] = "tested" };

        Assert.Equal(400, await chief.PostAsync("/holds/release", hold));
        hold = new()
        {
            ["repository"] = "held/app", ["tag"] = "v1", ["digest"] = $"sha256:{new string('a', 64)}", ["reason"] = new('x', 20_000),
        };
        Assert.Equal(400, await chief.PostAsync("/holds/drop", hold));
    }

    [Fact]
    public async Task Held_push_is_ended_only_if_it_is_the_one_that_the_page_showed()
    {
        using var chief = new Person(_rig.Url);
        await chief.LogInAsync("chief", Password);
        var hold = await HoldAsync(chief);
        var other = new Dictionary<string, string>(hold) { ["digest"] = $"sha256:{new string('0', 64)}" };

        Assert.Equal(409, await chief.PostAsync("/holds/release", other));
        Assert.Equal(409, await chief.PostAsync("/holds/drop", other));
        other.Remove("digest");
        Assert.Equal(400, await chief.PostAsync("/holds/release", other));
        Assert.Equal(200, await chief.PostAsync("/holds/release", hold));
    }

    // What the form on the page of the held push sends.
    private static async Task<Dictionary<string, string>> HoldAsync(Person person) => new()
    {
        ["repository"] = "held/app", ["tag"] = "v1", ["reason"] = "tested by hand",
        ["digest"] = HeldDigest().Match(await person.ReadAsync("/hold?repository=held/app&tag=v1")).Groups[1].Value,
    };

    [GeneratedRegex("name=\"digest\" value=\"(sha256:[0-9a-f]{64})\"")]
    private static partial Regex HeldDigest();
}
