using Gateway.Commands.Doctor;
using Gateway.Tests.Registry;
using Scripted;
using Xunit;

namespace Gateway.Tests.Commands.Doctor;

/// <summary>Each fault is made on purpose, and <c>gateway doctor</c> must name it.</summary>
public sealed class DoctorCommandTests
{
    [Fact]
    public async Task Healthy_gateway_has_no_finding_and_every_client_pulls()
    {
        await using var upstream = await ScriptedUpstream.StartAsync();
        upstream.AddImage("team/app", "1", [1, 2, 3]);
        await using var rig = await DoctorRig.StartAsync(Corp(upstream, "namespaces: [registry.corp.example]"));

        var (code, found) = await rig.ExamineAsync("--image", "registry.corp.example/team/app:1");

        Assert.Equal(0, code);
        Assert.All(found, each => Assert.Equal("Ok", each.Level));
        var clients = found.Where(each => each.Code == "client").Select(each => each.About).Order();
        Assert.Equal(["containerd", "helm, oras", "podman, CRI-O"], clients);
    }

    [Fact]
    public async Task Text_has_one_line_for_each_finding_with_the_fix()
    {
        await using var upstream = await ScriptedUpstream.StartAsync();
        await using var rig = await DoctorRig.StartAsync(Corp(upstream));

        var (code, output) = await rig.RunAsync();

        Assert.Equal(0, code);
        var line = Assert.Single(output.Split('\n'), line => line.StartsWith("warning", StringComparison.Ordinal));
        Assert.Contains($"fix: add namespaces: [\"{upstream.Url.Authority}\"] to upstreams.corp", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gateway_that_does_not_run_is_found_on_both_ports()
    {
        await using var rig = new DoctorRig();
        rig.Configure("");

        var (code, found) = await rig.ExamineAsync();

        Assert.Equal(1, code);
        Assert.Equal(["GATEWAY_UNREACHABLE", "OPERATOR_UNREACHABLE"], found.Select(each => each.Code).Order());
    }

    [Theory]
    [InlineData("", "Warning", 0)]
    [InlineData("\npolicy: { default: allow, artifactTypes: {} }", "Error", 1)]
    public async Task Missing_namespace_is_a_way_around_a_policy(string policy, string level, int expected)
    {
        await using var upstream = await ScriptedUpstream.StartAsync();
        await using var rig = await DoctorRig.StartAsync(Corp(upstream) + policy);

        var (code, found) = await rig.ExamineAsync();

        Assert.Equal(expected, code);
        Assert.Equal(level, Assert.Single(found, each => each.Code == "NS_UNKNOWN").Level);
    }

    [Fact]
    public async Task Unreachable_upstream_is_found_through_the_gateway()
    {
        await using var rig = await DoctorRig.StartAsync("upstreams: { corp: { url: \"http://127.0.0.1:1\", namespaces: [corp.example] } }");

        await AssertFoundAsync(rig, "UPSTREAM_UNREACHABLE", "corp");
    }

    [Fact]
    public async Task Slow_upstream_is_a_warning()
    {
        await using var upstream = await ScriptedUpstream.StartAsync();
        var asked = new TaskCompletionSource();
        upstream.When(request => request.IsAnyManifest && (asked.TrySetResult() || true)).WaitFor(LateAsync());
        await using var rig = await DoctorRig.StartAsync(Corp(upstream, "namespaces: [corp.example]"));

        var (code, found) = await rig.ExamineAsync();

        Assert.Equal(0, code);
        Assert.Contains(found, each => each is { Level: "Warning", Code: "UPSTREAM_SLOW", About: "corp" });

        // From the request on, however long the start takes.
        async Task LateAsync()
        {
            await asked.Task;
            await Task.Delay(TimeSpan.FromSeconds(2.5), TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task Token_server_that_is_not_trusted_is_found()
    {
        await using var tokens = await ScriptedUpstream.StartAsync("127.0.0.2");
        await using var upstream = await ScriptedUpstream.StartAsync();
        upstream.RequireToken(tokens);
        await using var rig = await DoctorRig.StartAsync(Corp(upstream, "namespaces: [corp.example]"));

        await AssertFoundAsync(rig, "UPSTREAM_REALM", "corp", $"add realms: [{tokens.Url.GetLeftPart(UriPartial.Authority)}]");
    }

    [Fact]
    public async Task Clock_that_differs_from_an_upstreams_is_found()
    {
        await using var upstream = await ScriptedUpstream.StartAsync();
        upstream.When(request => request.Path == "/v2/").Respond(200).Header("Date", "Mon, 01 Jan 2024 00:00:00 GMT");
        await using var rig = await DoctorRig.StartAsync(Corp(upstream, "namespaces: [corp.example]"));

        await AssertFoundAsync(rig, "CLOCK_OFF", upstream.Url.Authority);
    }

    [Theory]
    [InlineData(0.7, "DISK_LOW", 0)]
    [InlineData(1.5, "DISK_FULL", 1)]
    public async Task Disk_that_is_almost_full_is_found(double share, string expected, int code)
    {
        var keep = (long)(new DriveInfo(Path.GetTempPath()).AvailableFreeSpace * share);
        await using var rig = await DoctorRig.StartAsync($"cache: {{ maxSize: 1GiB, keepFree: {keep} }}");

        var (ended, found) = await rig.ExamineAsync();

        Assert.Equal(code, ended);
        Assert.Contains(found, each => each.Code == expected);
    }

    [Fact]
    public async Task Certificate_of_an_unknown_authority_is_found_and_accepted_with_the_authority()
    {
        using var authority = new TestAuthority();
        authority.WriteServer();
        await using var rig = await StartWithTlsAsync(authority);

        await AssertFoundAsync(rig, "CERTIFICATE_UNTRUSTED", Tls(rig));
        Assert.Equal(0, (await rig.ExamineAsync("--ca", authority["ca.pem"])).Code);
    }

    [Fact]
    public async Task Certificate_for_another_name_that_expires_soon_is_found()
    {
        using var authority = new TestAuthority();
        authority.WriteServer(days: 3);
        await using var rig = await StartWithTlsAsync(authority);
        var other = $"https://localhost:{rig.Url.Port}";

        var (code, found) = await rig.ExamineAsync("--ca", authority["ca.pem"], "--address", other);

        Assert.Equal(1, code);
        Assert.Contains(found, each => each is { Level: "Error", Code: "CERTIFICATE_NAME" } && each.About == other);
        Assert.Contains(found, each => each is { Level: "Warning", Code: "CERTIFICATE_EXPIRES" });
    }

    [Fact]
    public async Task Proxy_that_adds_the_path_of_the_api_is_found()
    {
        await using var front = await ScriptedUpstream.StartAsync();
        front.When(request => request.Path == "/v2/").Respond(404);
        front.When(request => request.Path == "/").Respond(200).Header("Docker-Distribution-Api-Version", "registry/2.0");
        await using var rig = await DoctorRig.StartAsync();

        await AssertFoundAsync(rig, "DOUBLE_V2", Origin(front), "remove the path from the proxy's address", "--address", Origin(front));
    }

    [Fact]
    public async Task Address_without_a_registry_is_found()
    {
        await using var front = await ScriptedUpstream.StartAsync();
        front.When(_ => true).Respond(404);
        await using var rig = await DoctorRig.StartAsync();

        await AssertFoundAsync(rig, "NOT_A_REGISTRY", Origin(front), "point the proxy", "--address", Origin(front));
    }

    [Fact]
    public async Task Challenge_that_sends_clients_elsewhere_is_found()
    {
        await using var front = await ScriptedUpstream.StartAsync();
        front.When(request => request.Path == "/v2/").Challenge("Bearer realm=\"http://inner.example:5000/token\"")
            .Header("Docker-Distribution-Api-Version", "registry/2.0");
        await using var rig = await DoctorRig.StartAsync();

        await AssertFoundAsync(rig, "REALM_ELSEWHERE", Origin(front), $"set publicUrl: {Origin(front)}", "--address", Origin(front));
        await AssertFoundAsync(rig, "REALM_UNREACHABLE", "http://inner.example:5000/token", "", "--address", Origin(front));
    }

    [Fact]
    public async Task Client_that_the_policy_refuses_would_bypass_an_open_mirror()
    {
        await using var upstream = await ScriptedUpstream.StartAsync();
        upstream.AddImage("team/app", "1", [1, 2, 3]);
        await using var rig = await DoctorRig.StartAsync(Corp(upstream, "namespaces: [corp.example]") + "\npolicy: { default: deny }");

        await AssertFoundAsync(rig, "CLIENT_FAILS", "containerd", "asks corp.example itself", "--image", "corp.example/team/app:1");
    }

    [Fact]
    public async Task Image_with_the_address_of_the_gateway_is_asked_for_without_a_mirror()
    {
        await using var rig = await DoctorRig.StartAsync();
        await rig.Gateway.PushManifestAsync("team/app", "v1");
        var own = rig.Gateway.Client.BaseAddress!.Authority;

        var (code, found) = await rig.ExamineAsync("--image", $"{own}/team/app:v1");

        Assert.Equal(0, code);
        Assert.Contains(found, each => each is { Level: "Ok", Code: "client", About: "every client" });
        await AssertFoundAsync(rig, "CLIENT_FAILS", "every client", "HEAD of the tag of", "--image", $"{own}/team/app:none");
    }

    [Fact]
    public async Task Configuration_that_is_not_in_force_is_a_warning_of_the_gateway()
    {
        await using var rig = await DoctorRig.StartAsync();
        rig.Gateway.Reloaded("gateway.yaml:3:1: lisen: unknown key");

        var (code, found) = await rig.ExamineAsync();

        Assert.Equal(0, code);
        var warning = Assert.Single(found, each => each is { Level: "Warning", Code: "GATEWAY_WARNS" });
        Assert.EndsWith("configuration", warning.About, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bucket", "GatewayBucketFails")]
    [InlineData("content", "GatewayContentDamaged")]
    [InlineData("configuration", "GatewayNotAsConfigured")]
    public void Warning_of_the_gateway_is_answered_with_the_section_of_the_runbook_about_it(string warning, string section) =>
        Assert.Equal(section, OperatorChecks.SectionOf(warning));

    private static Task<DoctorRig> StartWithTlsAsync(TestAuthority authority) => DoctorRig.StartAsync(
        $"tls: {{ certificate: \"{authority["cert.pem"]}\", key: \"{authority["key.pem"]}\" }}", "https");

    private static string Tls(DoctorRig rig) => $"https://{rig.Url.Authority}";

    private static string Origin(ScriptedUpstream front) => front.Url.GetLeftPart(UriPartial.Authority);

    private static string Corp(ScriptedUpstream upstream, string more = "referrers: on-demand") =>
        $"upstreams: {{ corp: {{ url: \"{Origin(upstream)}\", {more} }} }}";

    private static async Task AssertFoundAsync(DoctorRig rig, string code, string about, string text = "", params string[] options)
    {
        var (ended, found) = await rig.ExamineAsync(options);

        Assert.Equal(1, ended);
        Assert.Contains(found, each => each.Level == "Error" && each.Code == code && each.About == about
            && each.Text.Contains(text, StringComparison.Ordinal));
    }
}
