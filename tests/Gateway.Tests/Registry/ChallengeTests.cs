using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text.Json;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Signatures;
using Gateway.Tests.Access;
using Scripted;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>
/// Clients that show credentials only where they are asked for: they are asked where one who may push would see more, and nowhere else
/// that anonymous may pull.
/// </summary>
public sealed class ChallengeTests : IAsyncLifetime
{
    private const string Nobody = "nobody";
    private const string Token = "anonymous token";
    private const string Puller = "puller";
    private const string Pusher = "pusher";

    private static readonly string[] Reads = ["GET", "HEAD"];
    private static readonly string[] Callers = [Nobody, Token, Puller, Pusher];
    private static readonly Digest Image = Digest.Of(GatewayRig.ManifestBytes());
    private static readonly Digest Blob = Digest.Of("{}"u8);

    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-challenge-").FullName;
    private ScriptedUpstream _corp = null!;

    public async ValueTask InitializeAsync() => _corp = await ScriptedUpstream.StartAsync("127.0.0.1", false);

    public async ValueTask DisposeAsync()
    {
        await _corp.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Anonymous may pull everything, and one account may push.</summary>
    private async Task<GatewayRig> StartAsync(bool pullOnly = false, bool hasPolicy = true)
    {
        var accounts = Path.Combine(_folder, "htpasswd");
        await File.WriteAllLinesAsync(accounts, [AccessRig.Line(Puller, Puller), AccessRig.Line(Pusher, Pusher)]);
        AccessRule[] rules = [new(["anonymous"], ["**"], AccessActions.Pull), new([Pusher], ["**"], AccessActions.All)];
        return await GatewayRig.StartAsync(options => options with
        {
            Listen = pullOnly ? [options.Listen[0], options.Listen[0] with { PullOnly = true }] : options.Listen,
            Access = new() { Htpasswd = accounts, Rules = [.. rules] },
            Policy = hasPolicy ? Policy() : null,
            Upstreams = ((string[])["mirror", "sync", "later"]).Aggregate(
                options.Upstreams, (all, key) => all.Add(key, new() { Key = key, Urls = [_corp.Url] })),
            Routes =
            [
                new() { Prefix = "mirror", Upstream = "mirror" },
                new() { Prefix = "sync", Upstream = "sync", Forwards = true },
                new() { Prefix = "later", Upstream = "later", Forwards = true, ForwardsLater = true },
                new() { Prefix = "" },
            ],
        });
    }

    private static PolicyOptions Policy()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        RuleOptions Signed(string id, OnMissing onMissing, params Stage[] stages) => new()
        {
            Id = id, Repositories = [$"{id}/**", $"mirror/{id}/**"], Stages = [.. stages],
            Require = new() { Signatures = [new("release")] }, OnMissing = onMissing,
        };
        return new()
        {
            Default = Outcome.Allow,
            Trust = new()
            {
                Keys = ImmutableSortedDictionary<string, KeyOptions>.Empty.Add(
                    "release", new(VerificationKey.FromSpki(key.ExportSubjectPublicKeyInfo()).Key!)),
                Authorities = ImmutableSortedDictionary<string, AuthorityOptions>.Empty.Add(
                    "release", new("release") { AnyOf = ["release"] }),
            },
            Rules =
            [
                Signed("held", OnMissing.Quarantine, Stage.Push, Stage.ProxyFetch, Stage.Tag, Stage.Pull),
                Signed("denied", OnMissing.Deny, Stage.Pull),
            ],
        };
    }

    private static async Task PushAsync(GatewayRig rig, string repository)
    {
        rig.Client.DefaultRequestHeaders.Add("Authorization", AccessRig.Basic(Pusher, Pusher));
        await rig.PushManifestAsync(repository, "v1");
        rig.Client.DefaultRequestHeaders.Remove("Authorization");
    }

    /// <summary>
    /// The status, with <c>challenged</c> and <c>decision</c> where the answer has them; a challenge is the one of every other 401.
    /// </summary>
    private static async Task<string> AskAsync(GatewayRig rig, string method, string path, string caller, Uri? listener = null)
    {
        (string, string)[] headers = caller switch
        {
            Nobody => [],
            Token => [("Authorization", $"Bearer {await TokenAsync(rig)}")],
            "empty header" => [("Authorization", "")],
            _ => [("Authorization", AccessRig.Basic(caller, caller))],
        };
        var url = listener ?? rig.Url;
        using var answer = await rig.SendAsync(method, new Uri(url, path).ToString(), null, headers);
        var challenge = GatewayRig.Header(answer, "WWW-Authenticate");
        if (challenge is not null) Assert.Equal($"Bearer realm=\"http://{url.Authority}/token\",service=\"{url.Authority}\"", challenge);
        var challenged = challenge is null ? "" : " challenged";
        var decided = GatewayRig.Header(answer, "Gateway-Decision") is null ? "" : " decision";
        return $"{(int)answer.StatusCode}{challenged}{decided}";
    }

    private static async Task<string?> TokenAsync(GatewayRig rig)
    {
        using var grant = JsonDocument.Parse(await rig.Client.GetStringAsync("/token?service=x&scope=repository:held/app:pull"));
        return grant.RootElement.GetProperty("token").GetString();
    }

    /// <summary>What each caller is told, in the order of <see cref="Callers"/>, by GET and HEAD alike.</summary>
    private static async Task AssertToldAsync(GatewayRig rig, string path, params string[] expected)
    {
        foreach (var method in Reads)
        {
            foreach (var (caller, told) in Callers.Zip(expected))
                Assert.Equal((method, path, caller, told), (method, path, caller, await AskAsync(rig, method, path, caller)));
        }
    }

    [Theory]
    [InlineData("held/app")]
    [InlineData("denied/app")]
    public async Task Anonymous_caller_is_challenged_where_a_pusher_sees_a_held_manifest(string repository)
    {
        await using var rig = await StartAsync();
        await PushAsync(rig, repository);

        foreach (var reference in (string[])["v1", Image.ToString()])
        {
            await AssertToldAsync(
                rig, $"/v2/{repository}/manifests/{reference}", "401 challenged", "403 decision", "403 decision", "200 decision");
        }
        // Of a blob pullers learn nothing at all.
        await AssertToldAsync(rig, $"/v2/{repository}/blobs/{Blob}", "404", "404", "404", "200");
    }

    [Theory]
    [InlineData("open/app", "200")]
    [InlineData("held/none", "404")]
    [InlineData("denied/none", "404")]
    [InlineData("open/none", "404")]
    public async Task Response_that_is_the_same_for_every_caller_needs_no_login(string repository, string told)
    {
        await using var rig = await StartAsync();
        await PushAsync(rig, "open/app");
        await PushAsync(rig, "held/app");

        foreach (var path in (string[])["manifests/v1", $"manifests/{Image}", $"blobs/{Blob}"])
            await AssertToldAsync(rig, $"/v2/{repository}/{path}", told, told, told, told);
    }

    [Fact]
    public async Task Lists_are_returned_without_a_challenge()
    {
        await using var rig = await StartAsync();
        await PushAsync(rig, "held/app");

        foreach (var path in (string[])["tags/list", $"referrers/{Image}"])
            await AssertToldAsync(rig, $"/v2/held/app/{path}", "200", "200", "200", "200");
    }

    [Theory]
    [InlineData("held/app:v1")]
    [InlineData("denied/app:v1")]
    public async Task No_challenge_where_pushes_are_impossible(string image)
    {
        var (repository, tag) = (image.Split(':')[0], image.Split(':')[1]);
        _corp.AddImage(repository, tag, ScriptedUpstream.Bytes(10, seed: 1));
        await using var rig = await StartAsync(pullOnly: true);
        await PushAsync(rig, repository);

        foreach (var method in Reads)
        {
            Assert.Equal("403 decision", await AskAsync(rig, method, $"/v2/mirror/{repository}/manifests/{tag}", Nobody));
            Assert.Equal(
                "403 decision", await AskAsync(rig, method, $"/v2/{repository}/manifests/{tag}", Nobody, rig.Listening[1]));
        }
    }

    [Fact]
    public async Task Header_without_credentials_counts_as_an_answer_to_the_challenge()
    {
        await using var rig = await StartAsync();
        await PushAsync(rig, "held/app");

        Assert.Equal("403 decision", await AskAsync(rig, "GET", "/v2/held/app/manifests/v1", "empty header"));
    }

    [Fact]
    public async Task Challenge_does_not_reveal_held_pushes()
    {
        await using var rig = await StartAsync();
        await PushAsync(rig, "held/app");
        using var asked = await rig.SendAsync("GET", "/v2/held/app/manifests/v1");
        using var elsewhere = await rig.SendAsync("POST", "/v2/held/app/blobs/uploads/");

        Assert.Equal((401, 401), ((int)asked.StatusCode, (int)elsewhere.StatusCode));
        Assert.Equal(await elsewhere.Content.ReadAsStringAsync(), await asked.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Anonymous_HEAD_before_a_push_is_challenged_while_the_upstream_is_down()
    {
        await using var rig = await StartAsync(hasPolicy: false);
        _corp.When(_ => true).Respond(503);

        foreach (var path in (string[])["manifests/v1", $"manifests/{Image}", $"blobs/{Blob}"])
        {
            foreach (var (caller, head) in Callers.Zip(["401 challenged", "503", "503", "404"]))
            {
                Assert.Equal((caller, head), (caller, await AskAsync(rig, "HEAD", $"/v2/later/app/{path}", caller)));
                Assert.Equal((caller, "503"), (caller, await AskAsync(rig, "GET", $"/v2/later/app/{path}", caller)));
            }
            await AssertToldAsync(rig, $"/v2/sync/app/{path}", "503", "503", "503", "503");
        }
    }
}
