using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using Gateway.Configuration;
using Gateway.Operations;
using Gateway.Tests.Access;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Tests.Operations;

/// <summary>What is written down, and what happens when it cannot be.</summary>
public sealed class AuditTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-audit-").FullName;

    private AuditOptions Options => new() { Path = Path.Combine(_folder, "audit.log") };

    public AuditTests() => File.WriteAllLines(
        Path.Combine(_folder, "htpasswd"), [AccessRig.Line("ci", "secret"), AccessRig.Line("boss", "secret")]);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Whatever_changes_something_is_told_with_who_where_and_what_came_of_it()
    {
        await using var rig = await StartAsync();
        As(rig, "ci");
        var digest = await rig.PushManifestAsync("team/app", "v1");
        (await rig.SendAsync("DELETE", $"/v2/team/app/manifests/{digest}")).Dispose();
        As(rig, "boss");
        (await rig.SendAsync("POST", "/-/promote", Json("""{"from":"team/app:v1","to":"prod/app:v2"}"""))).Dispose();
        (await rig.SendAsync("DELETE", "/v2/team/app/manifests/v1")).Dispose();
        (await rig.SendAsync("GET", "/v2/prod/app/manifests/v2")).Dispose();

        var lines = await LinesAsync(rig);

        Assert.Equal(
            [
                "start done", "login done ci password", "push done ci team/app v1", "delete refused ci team/app 403",
                "login done boss password", "promote done boss prod/app v2", "delete done boss team/app v1", "stop done",
            ],
            lines.Select(Brief));
        var promotion = lines.Single(line => Text(line, "event") == "promote");
        Assert.Equal((digest.ToString(), "team/app:v1"), (Text(promotion, "digest"), Text(promotion, "detail")));
        Assert.All(lines.Skip(1).SkipLast(1), line => Assert.Equal("127.0.0.1", Text(line, "remote")));
        Assert.All(lines.Skip(1).SkipLast(1), line => Assert.NotNull(Text(line, "requestId")));
    }

    [Fact]
    public async Task A_change_is_told_before_its_client_hears_of_it()
    {
        await using var rig = await StartAsync();
        As(rig, "boss");
        await rig.PushManifestAsync("team/app", "v0");
        for (var i = 1; i <= 20; i++)
        {
            (await rig.SendAsync("POST", "/-/promote", Json($$"""{"from":"team/app:v0","to":"prod/app:v{{i}}"}"""))).Dispose();
            Assert.Contains($"\"reference\":\"v{i}\"", File.ReadLines(Options.Path).Last(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("login")]
    [InlineData("purge")]
    public async Task What_is_refused_or_purged_is_told_before_whoever_asked_hears_of_it_and_once(string line)
    {
        using var held = new HeldLine(line);
        await using var rig = await held.WatchAsync(() => StartAsync());
        As(rig, "ci", line == "login" ? "wrong" : "secret");
        var asking = line == "purge"
            ? rig.Client.PostAsync(new Uri(rig.Operator, "/api/v1/purge"), Json("""{"what":"docker.io/**","dryRun":true}"""))
            : rig.SendAsync("DELETE", "/v2/team/app/manifests/v1");
        await Task.WhenAny(held.Reached, asking);

        // Without its line there is no answer, however long one waits.
        var first = await Task.WhenAny(asking, Task.Delay(TimeSpan.FromMilliseconds(300)));
        held.Release();

        Assert.NotSame(asking, first);
        using var answer = await asking;
        Assert.Equal(line switch { "delete" => 403, "login" => 401, _ => 404 }, (int)answer.StatusCode);
        Assert.Single(await LinesAsync(rig), each => Text(each, "event") == line);
    }

    [Fact]
    public async Task An_operators_call_that_breaks_off_is_not_told_of_as_done()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var silent = new UpstreamOptions { Key = "hub", Urls = [new($"http://{listener.LocalEndpoint}")], Namespaces = ["docker.io"] };
        await using var rig = await StartAsync(with: o => o with
        {
            Upstreams = o.Upstreams.Add("hub", silent), Routes = [new() { Prefix = "hub", Upstream = "hub" }],
        });
        using var leaving = new CancellationTokenSource();
        var asking = rig.Client.PostAsync(
            new Uri(rig.Operator, "/api/v1/prefetch"), Json("""{"references":["docker.io/team/app:v1"]}"""), leaving.Token);
        using var asked = await listener.AcceptTcpClientAsync();
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);

        var told = Assert.Single(await LinesAsync(rig), line => Text(line, "event") == "admin");

        Assert.Equal("failed", Text(told, "outcome"));
        listener.Stop();
    }

    [Fact]
    public async Task Logins_are_told_once_in_a_while_and_wrong_ones_by_the_account_where_there_is_one()
    {
        await using var rig = await StartAsync();
        for (var i = 0; i < 3; i++)
        {
            As(rig, "ci");
            (await rig.SendAsync("GET", "/v2/")).Dispose();
            (await rig.SendAsync("GET", "/token")).Dispose();
            rig.Client.DefaultRequestHeaders.Authorization = AuthenticationHeaderValue.Parse(AccessRig.Basic("ci", "wr0ng-one"));
            (await rig.SendAsync("GET", "/v2/")).Dispose();
            rig.Client.DefaultRequestHeaders.Authorization = AuthenticationHeaderValue.Parse(AccessRig.Basic("s3cret-typed-as-name", "x"));
            (await rig.SendAsync("GET", "/token")).Dispose();
            rig.Client.DefaultRequestHeaders.Authorization = null;
            (await rig.SendAsync("GET", "/v2/")).Dispose();
            (await rig.SendAsync("GET", "/token")).Dispose();
        }

        var lines = await LinesAsync(rig);

        Assert.Equal(
            [
                "start done", "login done ci password", "login done ci token", "login refused ci password 401",
                "login refused anonymous token 401", "stop done",
            ],
            lines.Select(Brief));
        var whole = await File.ReadAllTextAsync(Options.Path);
        foreach (var secret in (string[])["wr0ng-one", "s3cret-typed-as-name", "\"secret\""])
            Assert.DoesNotContain(secret, whole, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_operators_calls_are_told_and_what_he_only_reads_is_not()
    {
        await using var rig = await StartAsync();
        (await rig.Client.GetAsync(new Uri(rig.Operator, "/api/v1/stats"))).Dispose();
        (await rig.Client.PostAsync(new Uri(rig.Operator, "/api/v1/purge"), Json("""{"what":"docker.io/**","dryRun":true}"""))).Dispose();
        (await rig.Client.PostAsync(new Uri(rig.Operator, "/api/v1/prefetch"), Json("""{"references":[]}"""))).Dispose();

        var lines = await LinesAsync(rig);

        Assert.Equal(["start", "purge", "admin", "stop"], lines.Select(line => Text(line, "event")));
        Assert.Equal(("operator", "docker.io/** (dry run)"), (Text(lines[1], "actor"), Text(lines[1], "detail")));
    }

    [Fact]
    public async Task While_no_line_can_be_written_nothing_changes_and_pulls_go_on()
    {
        await using var rig = await StartAsync();
        As(rig, "ci");
        await rig.PushManifestAsync("team/app", "v1");
        // A folder in the file's place takes no line.
        File.Delete(Options.Path);
        Directory.CreateDirectory(Options.Path);
        (await rig.SendAsync("DELETE", "/v2/team/app/manifests/v1")).Dispose();

        using var pulled = await rig.SendAsync("GET", "/v2/team/app/manifests/v1");
        using var pushed = await rig.SendAsync("PUT", "/v2/team/app/manifests/v2", Json("{}"));
        using var ready = await rig.Client.GetAsync(new Uri(rig.Operator, "/readyz"));
        Assert.Equal((200, 503, 503), ((int)pulled.StatusCode, (int)pushed.StatusCode, (int)ready.StatusCode));
        Assert.Contains("audit: the audit log cannot be written", await ready.Content.ReadAsStringAsync(), StringComparison.Ordinal);

        Directory.Delete(Options.Path);
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        for (var status = 503; status == 503;)
        {
            await Task.Delay(50, deadline.Token);
            using var again = await rig.SendAsync("DELETE", "/v2/team/app/manifests/gone");
            status = (int)again.StatusCode;
        }
        // What waited has been written.
        Assert.Contains(await LinesAsync(rig), line => Brief(line) == "delete refused ci team/app 403" && Text(line, "reference") == "v1");
    }

    [Fact]
    public async Task Where_the_configuration_says_so_changes_go_on_without_their_line()
    {
        await using var rig = await StartAsync(o => o with { Refuse = false });
        As(rig, "ci");
        File.Delete(Options.Path);
        Directory.CreateDirectory(Options.Path);

        await rig.PushManifestAsync("team/app", "v1");
        await rig.PushManifestAsync("team/app", "v2");

        using var ready = await rig.Client.GetAsync(new Uri(rig.Operator, "/readyz"));
        Assert.Equal(200, (int)ready.StatusCode);
    }

    [Fact]
    public void A_full_file_is_put_aside_and_the_oldest_goes()
    {
        var options = Options with { MaxSize = 2000, Keep = 2 };
        using (var log = new AuditLog(options, TimeProvider.System, NullLogger.Instance))
        {
            for (var i = 0; i < 100; i++)
                log.Tell(new(DateTimeOffset.UnixEpoch, "push", "done") { Reference = $"v{i}", Digest = new('a', 100) });
        }

        Assert.Equal(["audit.log", "audit.log.1", "audit.log.2"], Directory.GetFiles(_folder, "audit*").Select(Path.GetFileName).Order());
        foreach (var file in Directory.GetFiles(_folder, "audit*"))
        {
            Assert.InRange(new FileInfo(file).Length, 1, 2000);
            Assert.All(File.ReadLines(file), line => JsonDocument.Parse(line).Dispose());
        }
        Assert.Contains("\"stop\"", File.ReadAllText(options.Path), StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(options.Path));
    }

    [Fact]
    public void Lines_are_added_to_what_is_there_and_one_that_a_crash_cut_off_stays_alone()
    {
        File.WriteAllText(Options.Path, "{\"event\":\"start\"}\n{\"event\":\"pu");
        new AuditLog(Options, TimeProvider.System, NullLogger.Instance).Dispose();

        var lines = File.ReadAllLines(Options.Path);
        Assert.Equal((4, "{\"event\":\"pu"), (lines.Length, lines[1]));
    }

    [Fact]
    public void No_text_makes_two_lines_of_one_or_a_long_one()
    {
        using (var log = new AuditLog(Options, TimeProvider.System, NullLogger.Instance))
        {
            log.Tell(new(DateTimeOffset.UnixEpoch, "admin", "done")
            {
                Actor = "a\n{\"event\":\"push\"}\r\u2028\u001b[2J\ud800\"", Detail = new('x', 1 << 20),
            });
        }

        var lines = File.ReadAllLines(Options.Path);
        Assert.Equal(3, lines.Length);
        Assert.InRange(lines[1].Length, 1, 2000);
        Assert.True(lines[1].All(c => c is >= ' ' and <= '~'));
        using var parsed = JsonDocument.Parse(lines[1]);
        Assert.Equal("admin", Text(parsed.RootElement, "event"));
    }

    // Whoever guesses passwords from a thousand addresses displaces no push.
    [Fact]
    public void A_flood_of_refusals_is_counted_and_not_written()
    {
        var clock = new ManualClock();
        using (var log = new AuditLog(Options, clock, NullLogger.Instance))
        {
            for (var i = 0; i < 100_000; i++) log.Tell(new(clock.GetUtcNow(), "login", "refused") { Remote = $"2001:db8::{i:x}" });
            log.Tell(new(clock.GetUtcNow(), "push", "done"));
            clock.Advance(TimeSpan.FromMinutes(6));
            log.Tell(new(clock.GetUtcNow(), "login", "refused") { Remote = "192.0.2.1" });
        }

        var lines = File.ReadAllLines(Options.Path);
        Assert.Equal(2000 + 4, lines.Length);
        Assert.Contains(lines, line => line.Contains("\"event\":\"push\"") && line.Contains("\"omitted\":98000"));
        Assert.Contains("192.0.2.1", lines[^2], StringComparison.Ordinal);
    }

    [Fact]
    public void A_log_that_cannot_be_opened_stops_the_start()
    {
        var options = Options with { Path = Path.Combine(_folder, "nowhere", "audit.log") };

        Assert.Throws<IOException>(() => new AuditLog(options, TimeProvider.System, NullLogger.Instance));
    }

    private Task<GatewayRig> StartAsync(
        Func<AuditOptions, AuditOptions>? configure = null, Func<GatewayOptions, GatewayOptions>? with = null) => GatewayRig.StartAsync(o =>
        (with?.Invoke(o) ?? o) with
    {
        Audit = configure?.Invoke(Options) ?? Options,
        Access = new()
        {
            Htpasswd = Path.Combine(_folder, "htpasswd"),
            Rules =
            [
                new(["ci"], ["team/**"], AccessActions.Pull | AccessActions.Push), new(["boss"], ["**"], AccessActions.All),
            ],
        },
    });

    private static void As(GatewayRig rig, string account, string password = "secret") =>
        rig.Client.DefaultRequestHeaders.Authorization = AuthenticationHeaderValue.Parse(AccessRig.Basic(account, password));

    private static StringContent Json(string text) => new(text, new MediaTypeHeaderValue("application/json"));

    /// <summary>All lines of a gateway, which is ended for it.</summary>
    private async Task<JsonElement[]> LinesAsync(GatewayRig rig)
    {
        await rig.StopAsync();
        return [.. File.ReadLines(Options.Path).Select(line => JsonDocument.Parse(line).RootElement)];
    }

    private static string? Text(JsonElement line, string name) => line.TryGetProperty(name, out var value) ? value.ToString() : null;

    private static string Brief(JsonElement line) => string.Join(' ', ((string?[])
    [
        Text(line, "event"), Text(line, "outcome"), Text(line, "actor"), Text(line, "how"), Text(line, "repository"),
        Text(line, "outcome") == "refused" ? Text(line, "status") : Text(line, "reference"),
    ]).Where(part => part is not null));
}
