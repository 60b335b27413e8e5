using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using Gateway.Configuration;
using Gateway.Tests.Access;
using Gateway.Upstream;
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
    public async Task Every_change_is_audited_with_actor_address_and_outcome()
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
    public async Task Change_is_audited_before_the_client_gets_the_response()
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

    [Fact]
    public async Task Audit_lines_are_in_the_order_of_changes()
    {
        await using var rig = await StartAsync();
        As(rig, "boss");
        var digests = await Task.WhenAll(Enumerable.Range(0, 4).Select(n =>
            rig.PushManifestAsync("team/app", $"v{n}", Gateway.Oci.Digest.Of([(byte)n]).ToString())));
        Assert.Equal(4, digests.Distinct().Count());
        var live = new string[25];
        for (var round = 0; round < live.Length; round++)
        {
            var tag = $"race{round}";
            await Task.WhenAll(Enumerable.Range(0, 4).Select(async n =>
            {
                var promotion = $$"""{"from":"team/app@{{digests[n]}}","to":"prod/app:{{tag}}"}""";
                using var answer = await rig.SendAsync("POST", "/-/promote", Json(promotion));
                Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
            }));
            using var now = await rig.SendAsync("HEAD", $"/v2/prod/app/manifests/{tag}");
            live[round] = now.Headers.GetValues("Docker-Content-Digest").Single();
        }

        var lines = (await LinesAsync(rig)).Where(line => Text(line, "event") is "push" or "promote").ToArray();

        Assert.Equal(104, lines.Length);
        var sequences = lines.Select(line => line.GetProperty("sequence").GetInt64()).ToArray();
        Assert.Equal(sequences.Order(), sequences);
        Assert.Equal(sequences.Length, sequences.Distinct().Count());
        Assert.Equal(
            live, Enumerable.Range(0, live.Length).Select(n => Text(lines.Last(line => Text(line, "reference") == $"race{n}"), "digest")));
    }

    [Theory]
    [InlineData("delete")]
    [InlineData("login")]
    [InlineData("purge")]
    public async Task Refusal_or_purge_is_audited_once_before_the_response(string line)
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
    public async Task Aborted_operator_request_is_not_audited_as_done()
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
    public async Task Logins_are_audited_once_per_interval_and_wrong_ones_with_an_existing_account_name()
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
    public async Task Operator_changes_are_audited_but_reads_are_not()
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
    public async Task While_no_audit_line_can_be_written_changes_get_503_and_pulls_continue()
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
        using var deadline = Patience.Limit(30);
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
    public async Task With_onFailure_continue_changes_continue_without_audit_lines()
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
