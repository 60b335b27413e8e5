using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Tests.Access;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>Writes whose bodies stop while the account is removed or another configuration comes into force.</summary>
public sealed class StandingTests : IAsyncLifetime
{
    private static readonly AccessRule All = new(["ci", "other"], ["**"], AccessActions.All);

    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-standing-").FullName;
    private GatewayRig _rig = null!;

    private string Accounts => Path.Combine(_folder, "htpasswd");

    public async ValueTask InitializeAsync()
    {
        await WriteAccountsAsync("ci", "other");
        _rig = await GatewayRig.StartAsync(o => o with { Access = new() { Htpasswd = Accounts, Rules = [All] } });
        // The server reads a body, and asks for it, once it has let the request in: the client waits for that.
        _rig.Client.DefaultRequestHeaders.ExpectContinue = true;
        _rig.Client.DefaultRequestHeaders.Authorization = AuthenticationHeaderValue.Parse(AccessRig.Basic("ci", "ci"));
        await _rig.PushManifestAsync("team/app", "v1");
    }

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>A body that is asked for, and comes when the test lets it.</summary>
    private sealed class Stalled(byte[] bytes) : HttpContent
    {
        public TaskCompletionSource Asked { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Goes { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            Asked.SetResult();
            await Goes.Task;
            await stream.WriteAsync(bytes);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = bytes.Length;
            return true;
        }
    }

    public static TheoryData<string> Writes => ["manifest", "blob", "session", "promotion"];

    public static TheoryData<string, string> EachEndOfEach =>
    [
        ("manifest", "account"), ("manifest", "password"), ("manifest", "rule"), ("manifest", "access"), ("blob", "rule"),
        ("session", "account"), ("session", "access"), ("promotion", "rule"), ("promotion", "access"),
    ];

    /// <summary>Each way for bytes to come into the repository, in which the client waits with the body.</summary>
    private async Task<HttpResponseMessage> StallAsync(string write, Func<Task> meanwhile)
    {
        var blob = Encoding.UTF8.GetBytes($"blob {write}");
        var (method, path, type, bytes) = write switch
        {
            "manifest" => ("PUT", "/v2/team/app/manifests/v2", MediaTypes.OciManifest, GatewayRig.ManifestBytes()),
            "blob" => ("POST", $"/v2/team/app/blobs/uploads/?digest={Digest.Of(blob)}", "application/octet-stream", blob),
            "session" => ("PUT", await SessionAsync(Digest.Of(blob)), "application/octet-stream", blob),
            _ => ("POST", "/-/promote", "application/json", """{"from":"team/app:v1","to":"team/other:v2"}"""u8.ToArray()),
        };
        var body = new Stalled(bytes);
        body.Headers.ContentType = new(type);
        var sending = _rig.SendAsync(method, path, body);
        await await Task.WhenAny(body.Asked.Task, sending);
        await meanwhile();
        body.Goes.SetResult();
        return await sending;
    }

    private async Task<string> SessionAsync(Digest digest)
    {
        using var opened = await _rig.SendAsync("POST", "/v2/team/app/blobs/uploads/");
        var location = opened.Headers.Location!.ToString();
        return $"{location}{(location.Contains('?', StringComparison.Ordinal) ? '&' : '?')}digest={digest}";
    }

    private async Task<int> StatusAsync(string path, string account = "other")
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Authorization = AuthenticationHeaderValue.Parse(AccessRig.Basic(account, account));
        using var answer = await _rig.Client.SendAsync(request);
        return (int)answer.StatusCode;
    }

    private async Task WriteAccountsAsync(params string[] names)
    {
        await File.WriteAllLinesAsync(Accounts + ".new", names.Select(name => AccessRig.Line(name.Split('=')[0], name.Split('=')[^1])));
        File.Move(Accounts + ".new", Accounts, overwrite: true);
    }

    /// <summary>Ends the right of <c>ci</c>, and waits until new requests are told so.</summary>
    private async Task EndAsync(string how)
    {
        switch (how)
        {
            case "account": await WriteAccountsAsync("other"); break;
            case "password": await WriteAccountsAsync("ci=another", "other"); break;
            case "rule": await UseRulesAsync(All with { Actors = ["other"] }, new(["ci"], ["**"], AccessActions.Pull)); return;
            default: await UseRulesAsync(All with { Actors = ["other"] }); return;
        }
        // A change of the file is seen within a second.
        while (await StatusAsync("/v2/", "ci") == 200) await Task.Delay(50);
    }

    private Task UseRulesAsync(params AccessRule[] rules) =>
        _rig.UseAsync(o => o with { Access = new() { Htpasswd = Accounts, Rules = [.. rules] } });

    private async Task<int> WhatIsThereAsync(string write) => write switch
    {
        "manifest" => await StatusAsync("/v2/team/app/manifests/v2"),
        "promotion" => await StatusAsync("/v2/team/other/manifests/v2"),
        _ => await StatusAsync($"/v2/team/app/blobs/{Digest.Of(Encoding.UTF8.GetBytes($"blob {write}"))}"),
    };

    [Theory]
    [MemberData(nameof(Writes))]
    public async Task Slow_write_succeeds_after_a_reload_that_changes_nothing(string write)
    {
        using var done = await StallAsync(write, () => _rig.UseAsync(o => o with { Cache = o.Cache }));
        Assert.Equal(201, (int)done.StatusCode);
        Assert.Equal(200, await WhatIsThereAsync(write));
    }

    [Theory]
    [MemberData(nameof(EachEndOfEach))]
    public async Task Write_is_refused_if_the_account_loses_its_rights_before_the_commit(string write, string end)
    {
        using var refused = await StallAsync(write, () => EndAsync(end));
        var expected = end is "account" or "password" ? 401 : end == "rule" ? 403 : 404;
        Assert.Equal(expected, (int)refused.StatusCode);
        Assert.Equal(404, await WhatIsThereAsync(write));
    }

    [Theory]
    [InlineData("manifest")]
    [InlineData("promotion")]
    public async Task Write_is_evaluated_under_the_policy_in_force_at_its_commit(string write)
    {
        var rule = new RuleOptions { Id = "none", Require = new() { Annotations = Asked("who") } };
        using var refused = await StallAsync(
            write, () => _rig.UseAsync(o => o with { Policy = new() { Default = Outcome.Allow, Rules = [rule] } }));
        Assert.Equal((403, "DENIED"), ((int)refused.StatusCode, await GatewayRig.ErrorCodeAsync(refused)));
        Assert.Equal(404, await WhatIsThereAsync(write));
    }

    [Fact]
    public async Task Tag_made_immutable_by_a_reload_does_not_move()
    {
        var before = await DigestOfAsync("v2", "other");
        var rule = new RuleOptions { Id = "stays", Require = new() { TagMutability = TagMutability.Immutable } };
        using var refused = await StallAsync(
            "manifest", () => _rig.UseAsync(o => o with { Policy = new() { Default = Outcome.Allow, Rules = [rule] } }));
        Assert.Equal((403, "DENIED"), ((int)refused.StatusCode, await GatewayRig.ErrorCodeAsync(refused)));
        using var still = await _rig.SendAsync("GET", "/v2/team/app/manifests/v2");
        Assert.Equal(before.ToString(), GatewayRig.Header(still, "Docker-Content-Digest"));
    }

    private async Task<Digest> DigestOfAsync(string tag, string subject)
    {
        var bytes = GatewayRig.ManifestBytes(Digest.Of(Encoding.UTF8.GetBytes(subject)).ToString());
        using var answer = await _rig.PutManifestAsync("team/app", tag, bytes);
        answer.EnsureSuccessStatusCode();
        return Digest.Of(bytes);
    }

    private static System.Collections.Immutable.ImmutableSortedDictionary<string, TextCondition> Asked(string key) =>
        System.Collections.Immutable.ImmutableSortedDictionary<string, TextCondition>.Empty.Add(key, new(TextComparison.Glob, "*"));
}
