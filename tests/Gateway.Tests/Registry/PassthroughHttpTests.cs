using System.Text;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Upstream;
using Scripted;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>What clients see of an upstream that is shown their own credentials.</summary>
public sealed class PassthroughHttpTests : IAsyncLifetime
{
    private static readonly byte[] Layer = ScriptedUpstream.Bytes(50_000, seed: 9);

    private ScriptedUpstream _hub = null!;
    private ScriptedImage _image = null!;
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await ScriptedUpstream.StartAsync("127.0.0.1", false);
        _image = _hub.AddImage("team/secret", "v1", Layer);
        _hub.RequireBasic("alice", "canary-a");
        _hub.RequireBasic("bob", "canary-b", name => name != "team/secret");
        var upstream = new UpstreamOptions
        {
            Key = "corp", Urls = [_hub.Url], Namespaces = ["corp.example"], Auth = UpstreamAuth.Passthrough,
        };
        _rig = await GatewayRig.StartAsync(options => options with
        {
            Upstreams = options.Upstreams.Add("corp", upstream),
            Routes = [new() { Prefix = "corp", Upstream = "corp" }, new() { Prefix = "" }],
        });
    }

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        await _hub.DisposeAsync();
    }

    private static string Basic(string who) => $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes(who))}";

    private Task<HttpResponseMessage> AskAsync(string path, string? who, string method = "GET") =>
        who is null ? _rig.SendAsync(method, path) : _rig.SendAsync(method, path, null, ("Authorization", Basic(who)));

    private async Task WarmAsync()
    {
        foreach (var path in Paths)
        {
            using var answer = await AskAsync(path, "alice:canary-a");
            Assert.True(answer.IsSuccessStatusCode, $"{path} was answered {answer.StatusCode}");
            await answer.Content.ReadAsByteArrayAsync();
        }
    }

    private string[] Paths =>
    [
        "/v2/corp/team/secret/manifests/v1",
        "/v2/team/secret/manifests/v1?ns=corp.example",
        $"/v2/corp/team/secret/manifests/{_image.Digest}",
        $"/v2/corp/team/secret/blobs/{_image.Layers[0]}",
        $"/v2/corp/team/secret/referrers/{_image.Digest}",
        "/v2/corp/team/secret/tags/list",
    ];

    [Fact]
    public async Task Ping_with_passthrough_challenges_for_Basic_and_accepts_any_credentials()
    {
        using var asked = await AskAsync("/v2/", null);
        Assert.Equal((401, $"Basic realm=\"{_rig.Url.Authority}\""), ((int)asked.StatusCode, GatewayRig.Header(asked, "WWW-Authenticate")));
        using var shown = await AskAsync("/v2/", "alice:canary-a");
        Assert.Equal(200, (int)shown.StatusCode);
        Assert.Empty(_hub.Requests);
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("HEAD")]
    public async Task Warm_cache_is_visible_only_with_access_at_the_upstream(string method)
    {
        await WarmAsync();
        foreach (var path in Paths)
        {
            using var alice = await AskAsync(path, "alice:canary-a", method);
            using var bob = await AskAsync(path, "bob:canary-b", method);
            using var nobody = await AskAsync(path, null, method);
            using var wrong = await AskAsync(path, "alice:guess", method);
            Assert.Equal((200, 403, 401, 401), ((int)alice.StatusCode, (int)bob.StatusCode, (int)nobody.StatusCode, (int)wrong.StatusCode));
            Assert.Equal($"Basic realm=\"{_rig.Url.Authority}\"", GatewayRig.Header(nobody, "WWW-Authenticate"));
            if (method == "GET") Assert.Equal("DENIED", await GatewayRig.ErrorCodeAsync(bob));
        }
    }

    /// <summary>What is remembered of one client's questions answers nothing for another.</summary>
    [Theory]
    [InlineData(404)]
    [InlineData(405)]
    [InlineData(401)]
    public async Task Warm_cache_reveals_nothing_where_the_upstream_does_not_support_HEAD(int status)
    {
        _hub.When(request => request.IsHead).Respond(status);
        await WarmAsync();
        // All of them at once, in turns over the same connections.
        var answers = await Task.WhenAll(
            from path in Paths
            from who in (string?[])["bob:canary-b", "alice:canary-a", null, "alice:guess", ":", "alice:canary-a "]
            select SayAsync(path, who));
        Assert.All(answers, answer => Assert.Equal((answer.Path, answer.Who, answer.Who == "alice:canary-a"), answer));

        async Task<(string Path, string? Who, bool IsShown)> SayAsync(string path, string? who)
        {
            using var answer = await AskAsync(path, who);
            return (path, who, answer.IsSuccessStatusCode);
        }
    }

    [Fact]
    public async Task Range_and_condition_reveal_nothing_either()
    {
        await WarmAsync();
        var path = $"/v2/corp/team/secret/blobs/{_image.Layers[0]}";
        using var range = await _rig.SendAsync("GET", path, null, ("Authorization", Basic("bob:canary-b")), ("Range", "bytes=100-200"));
        using var known = await _rig.SendAsync(
            "GET", path, null, ("Authorization", Basic("bob:canary-b")), ("If-None-Match", $"\"{_image.Layers[0]}\""));
        Assert.Equal((403, 403), ((int)range.StatusCode, (int)known.StatusCode));
    }

    [Fact]
    public async Task Blob_is_not_mounted_for_a_caller_without_the_right_to_pull_it()
    {
        await WarmAsync();
        var path = $"/v2/mine/app/blobs/uploads/?mount={_image.Layers[0]}&from=corp/team/secret";
        // The last byte is sent before the blob is kept, and until then nobody can mount it.
        using var soon = Patience.Limit(60);
        while (await StatusAsync("alice:canary-a") != 201) await Task.Delay(50, soon.Token);
        Assert.Equal((202, 202), (await StatusAsync("bob:canary-b"), await StatusAsync(null)));

        async Task<int> StatusAsync(string? who)
        {
            using var answer = await AskAsync(path, who, "POST");
            return (int)answer.StatusCode;
        }
    }

    [Fact]
    public async Task Decision_about_private_content_is_shown_only_with_access_to_that_content()
    {
        await _rig.UseAsync(o => o with { Policy = new() { Default = Outcome.Deny } });
        using var refused = await AskAsync("/v2/corp/team/secret/manifests/v1", "alice:canary-a");
        var path = $"/-/decisions/{GatewayRig.Header(refused, "Gateway-Decision")}";
        using var alice = await AskAsync(path, "alice:canary-a");
        using var bob = await AskAsync(path, "bob:canary-b");
        using var nobody = await AskAsync(path, null);
        Assert.Equal((403, 200, 404, 404),
            ((int)refused.StatusCode, (int)alice.StatusCode, (int)bob.StatusCode, (int)nobody.StatusCode));
    }

    [Theory]
    [InlineData("Bearer abc")]
    [InlineData("Basic not-base-64!")]
    [InlineData("Basic bm9jb2xvbg==")]
    public async Task Header_that_is_not_Basic_is_challenged(string header)
    {
        using var answer = await _rig.SendAsync("GET", "/v2/corp/team/secret/manifests/v1", null, ("Authorization", header));
        Assert.Equal(401, (int)answer.StatusCode);
        Assert.StartsWith("Basic ", GatewayRig.Header(answer, "WWW-Authenticate"), StringComparison.Ordinal);
        Assert.Empty(_hub.Requests);
    }

    [Fact]
    public async Task Built_in_repositories_need_no_credentials_of_an_upstream()
    {
        await _rig.PushManifestAsync("mine/app", "v1");
        using var answer = await AskAsync("/v2/mine/app/manifests/v1", "alice:canary-a");
        Assert.Equal(200, (int)answer.StatusCode);
        Assert.Empty(_hub.Requests);
    }

    [Fact]
    public async Task A_password_of_several_KiB_is_passed_on()
    {
        var token = new string('t', 6000);
        _hub.RequireBasic("AWS", token);
        using var answer = await AskAsync("/v2/corp/team/secret/manifests/v1", $"AWS:{token}");
        Assert.Equal(200, (int)answer.StatusCode);
    }

    [Fact]
    public async Task No_password_is_in_the_access_log()
    {
        await WarmAsync();
        using (await AskAsync("/v2/corp/team/secret/manifests/v1", "bob:canary-b"))
        {
        }
        await _rig.StopAsync();
        var log = Encoding.UTF8.GetString(_rig.AccessLog.ToArray());
        Assert.Contains("team/secret", log, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", log, StringComparison.Ordinal);
        Assert.DoesNotContain(Basic("alice:canary-a")[6..], log, StringComparison.Ordinal);
    }
}
