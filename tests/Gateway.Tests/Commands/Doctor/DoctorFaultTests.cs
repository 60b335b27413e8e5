using System.Globalization;
using Gateway.Testing;
using Gateway.Tests.Registry;
using Scripted;
using Xunit;

namespace Gateway.Tests.Commands.Doctor;

/// <summary>Faults of the gateway's machine, of what is in front of it and behind it: each line names the fault and its fix.</summary>
public sealed class DoctorFaultTests
{
    [Fact]
    public async Task Clock_that_was_set_back_is_found()
    {
        await using var rig = await DoctorRig.StartAsync(prepare: static data =>
        {
            Directory.CreateDirectory($"{data}/gateway");
            var later = DateTimeOffset.UtcNow.AddHours(1).ToUnixTimeMilliseconds();
            File.WriteAllText($"{data}/gateway/latest-moment", later.ToString(CultureInfo.InvariantCulture));
        });

        await AssertFoundAsync(rig, "Error", "CLOCK_BACK", "s behind the latest moment", "set the clock by NTP");
    }

    [Fact]
    public async Task Endpoint_that_the_gateway_stopped_asking_is_found()
    {
        await using var upstream = await ScriptedUpstream.StartAsync();
        upstream.When(request => request.IsAnyManifest).Respond(500);
        await using var rig = await DoctorRig.StartAsync(Corp(upstream));

        // The gateway tries the endpoint again after a second, then after two, and so on to ten.
        await Patience.UntilAsync(async () =>
        {
            for (var i = 0; i < 4; i++) (await rig.Gateway.SendAsync("GET", $"/v2/corp/app/manifests/{Guid.NewGuid():N}")).Dispose();
            return (await rig.ExamineAsync()).Found.Any(each => each is { Level: "Warning", Code: "UPSTREAM_DOWN" }
                && each.About == "corp" && each.Text.Contains("check upstreams.corp.url;", StringComparison.Ordinal));
        }, static () => "the doctor names the endpoint", 10);
    }

    [Fact]
    public async Task Upstream_of_another_gateway_of_this_process_is_not_reported_as_stopped()
    {
        await using var failing = await ScriptedUpstream.StartAsync();
        failing.When(request => request.IsAnyManifest).Respond(500);
        await using var upstream = await ScriptedUpstream.StartAsync();
        await using var other = await DoctorRig.StartAsync(Corp(failing));
        await using var rig = await DoctorRig.StartAsync(Corp(upstream));

        await Patience.UntilAsync(async () =>
        {
            for (var i = 0; i < 4; i++) (await other.Gateway.SendAsync("GET", $"/v2/corp/app/manifests/{Guid.NewGuid():N}")).Dispose();
            if (!(await IsStoppedAsync(other))) return false;
            Assert.False(await IsStoppedAsync(rig));
            return true;
        }, static () => "the doctor of the other gateway names its endpoint", 10);

        static async Task<bool> IsStoppedAsync(DoctorRig of) =>
            (await of.ExamineAsync()).Found.Any(static each => each.Code == "UPSTREAM_DOWN");
    }

    [Fact]
    public async Task Wrong_and_missing_credentials_are_found()
    {
        await using var upstream = await ScriptedUpstream.StartAsync();
        (upstream.RequireToken().Username, upstream.Tokens.Password) = ("me", "right");
        await using var rig = await DoctorRig.StartAsync(
            $"upstreams: {{ corp: {{ url: \"{Origin(upstream)}\", credentials: {{ username: me, password: wrong }} }} }}");

        await AssertFoundAsync(rig, "Error", "UPSTREAM_CREDENTIALS", "it refuses the account", "correct the user name or the password");

        await using var basic = await ScriptedUpstream.StartAsync();
        basic.When(static request => true).Challenge("Basic realm=\"corp\"");
        await using var other = await DoctorRig.StartAsync(Corp(basic));

        await AssertFoundAsync(other, "Error", "UPSTREAM_CREDENTIALS", "requires a user name and password", "add credentials");
    }

    [Fact]
    public async Task Image_can_be_named_by_the_prefix_of_its_upstream()
    {
        await using var upstream = await ScriptedUpstream.StartAsync();
        upstream.AddImage("team/app", "1", [1, 2, 3]);
        await using var rig = await DoctorRig.StartAsync($"upstreams: {{ corp: {{ url: \"{Origin(upstream)}\" }} }}");

        var (_, found) = await rig.ExamineAsync("--image", "corp/team/app:1");

        Assert.Contains(found, static each => each is { Level: "Ok", Code: "client", About: "every client" });
    }

    [Fact]
    public async Task Rate_limit_that_is_used_up_is_found()
    {
        await using var upstream = await ScriptedUpstream.StartAsync();
        upstream.When(request => request.IsAnyManifest).RateLimit("120");
        await using var rig = await DoctorRig.StartAsync(Corp(upstream));

        await AssertFoundAsync(rig, "Error", "UPSTREAM_RATE_LIMIT", "its rate limit is used up", "add credentials to upstreams.corp");
    }

    [Fact]
    public async Task Upstream_that_no_entry_of_routes_names_is_asked_by_its_key()
    {
        await using var upstream = await ScriptedUpstream.StartAsync();
        await using var rig = await DoctorRig.StartAsync(Corp(upstream) + "\nroutes: [{ prefix: \"\", storage: built-in }]");

        var (ended, found) = await rig.ExamineAsync();

        Assert.Equal(0, ended);
        Assert.Contains(found, each => each is { Level: "Ok", Code: "upstream", About: "corp" });
    }

    [Fact]
    public async Task Slow_answer_of_the_gateway_is_found()
    {
        await using var front = await ScriptedUpstream.StartAsync();
        var asked = new TaskCompletionSource();
        front.When(request => request.Path == "/v2/" && (asked.TrySetResult() || true)).Respond(200, "{}")
            .Header("Docker-Distribution-Api-Version", "registry/2.0").WaitFor(LateAsync(asked.Task, 1.5));
        await using var rig = await DoctorRig.StartAsync();

        await AssertFoundAsync(rig, "Warning", "GATEWAY_SLOW", "GET /v2/ took", "check the load", "--address", Origin(front));
    }

    [Fact]
    public async Task Slow_pull_of_a_client_is_found()
    {
        await using var upstream = await ScriptedUpstream.StartAsync();
        upstream.AddImage("team/app", "1", [1, 2, 3]);
        var asked = new TaskCompletionSource();
        upstream.When(request => request.IsAnyManifest && request.Path.Contains("team/app", StringComparison.Ordinal)
            && (asked.TrySetResult() || true)).WaitFor(LateAsync(asked.Task, 2.5));
        await using var rig = await DoctorRig.StartAsync(Corp(upstream));

        await AssertFoundAsync(
            rig, "Warning", "CLIENT_SLOW", "a pull of corp.example/team/app without its layers took", "pull again to see",
            "--image", "corp.example/team/app:1");
    }

    [Fact]
    public async Task Headers_that_a_proxy_removes_are_found()
    {
        await using var upstream = await ScriptedUpstream.StartAsync();
        await using var front = await ScriptedUpstream.StartAsync();
        front.AddImage("team/app", "1", [1, 2, 3]);
        front.When(request => request.Path == "/v2/").Respond(200, "{}").Header("Docker-Distribution-Api-Version", "registry/2.0");
        front.When(request => request.IsAnyManifest && request.IsHead).NoDigest();
        await using var rig = await DoctorRig.StartAsync(Corp(upstream));

        await AssertFoundAsync(
            rig, "Error", "HEADERS_MISSING", "HEAD of the tag lacks Docker-Content-Digest", "let the proxy in front pass the headers",
            "--address", Origin(front), "--image", "corp.example/team/app:1");
    }

    [Fact]
    public async Task Gateway_that_is_not_ready_says_why()
    {
        var audit = Path.Combine(Directory.CreateTempSubdirectory("gateway-doctor-audit-").FullName, "audit.log");
        await using var rig = await DoctorRig.StartAsync($"audit: {{ path: \"{audit}\" }}");
        // A folder in the file's place takes no line.
        File.Delete(audit);
        Directory.CreateDirectory(audit);
        (await rig.Gateway.SendAsync("DELETE", "/v2/team/app/manifests/v1")).Dispose();

        await AssertFoundAsync(rig, "Error", "NOT_READY", "the audit log cannot be written", "docs/operations.md");

        Directory.Delete(Path.GetDirectoryName(audit)!, recursive: true);
    }

    [Fact]
    public async Task Certificate_that_has_expired_is_found()
    {
        using var authority = new TestAuthority();
        authority.WriteServer(days: 0);
        await using var rig = await DoctorRig.StartAsync(
            $"tls: {{ certificate: \"{authority["cert.pem"]}\", key: \"{authority["key.pem"]}\" }}", "https");

        await AssertFoundAsync(rig, "Error", "CERTIFICATE_EXPIRED", "the certificate expired on", "renew the files that tls names");
    }

    [Fact]
    public async Task File_of_a_client_that_is_not_valid_is_found()
    {
        await using var rig = await DoctorRig.StartAsync();
        rig.WriteClientFile("/etc/docker/daemon.json", "{ \"registry-mirrors\": [ ");

        await AssertFoundAsync(rig, "Error", "CLIENT_FILE", "expected JSON", "correct the file");
    }

    // From the request on, however long the start takes.
    private static async Task LateAsync(Task asked, double seconds)
    {
        await asked;
        await Task.Delay(TimeSpan.FromSeconds(seconds), TestContext.Current.CancellationToken);
    }

    private static string Origin(ScriptedUpstream server) => server.Url.GetLeftPart(UriPartial.Authority);

    private static string Corp(ScriptedUpstream upstream) =>
        $"upstreams: {{ corp: {{ url: \"{Origin(upstream)}\", namespaces: [corp.example] }} }}";

    private static async Task AssertFoundAsync(
        DoctorRig rig, string level, string code, string problem, string fix, params string[] options)
    {
        var (ended, found) = await rig.ExamineAsync(options);

        if (level == "Error") Assert.Equal(1, ended);
        Assert.Contains(found, each => each.Level == level && each.Code == code
            && each.Text.Contains(problem, StringComparison.Ordinal) && each.Text.Contains(fix, StringComparison.Ordinal));
    }
}
