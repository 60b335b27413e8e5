using System.Net.Http.Headers;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Tests.Access;
using Xunit;
using static Gateway.Configuration.AccessActions;

namespace Gateway.Tests.Registry;

/// <summary>Every method of every path, asked by everybody: what they get follows from the rules and from nothing else.</summary>
public sealed class RightsTests : IAsyncLifetime
{
    private static readonly string[] Methods =
        ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "X"];

    private static readonly Digest Blob = Digest.Of("{}"u8);

    private static readonly string Manifest = Digest.Of(GatewayRig.ManifestBytes()).ToString();

    /// <summary>Each path of a repository with what its methods need; written out, so that a slip in the table shows.</summary>
    private static readonly (string Path, Dictionary<string, AccessActions> Needs)[] Paths =
    [
        ("tags/list", new() { ["GET"] = Pull }),
        ("manifests/v1", new() { ["GET"] = Pull, ["PUT"] = Push, ["DELETE"] = Delete }),
        ($"manifests/{Manifest}", new() { ["GET"] = Pull, ["PUT"] = Push, ["DELETE"] = Delete }),
        ($"blobs/{Blob}", new() { ["GET"] = Pull, ["DELETE"] = Delete }),
        ("blobs/uploads/", new() { ["POST"] = Push }),
        ("blobs/uploads/0123", new() { ["GET"] = Push, ["PATCH"] = Push, ["PUT"] = Push, ["DELETE"] = Push }),
        ($"referrers/{Manifest}", new() { ["GET"] = Pull }),
    ];

    /// <summary>Accounts by what they may do in <c>closed/**</c>; the password is the name.</summary>
    private static readonly Dictionary<string, AccessActions> Accounts = new()
    {
        ["stranger"] = None, ["puller"] = Pull, ["pusher"] = Push, ["deleter"] = Delete, ["admin"] = Admin, ["both"] = Pull | Push,
        ["pruner"] = Pull | Delete, ["all"] = All,
    };

    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-rights-").FullName;
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync()
    {
        var file = Path.Combine(_folder, "htpasswd");
        await File.WriteAllLinesAsync(file, Accounts.Keys.Select(name => AccessRig.Line(name, name)));
        AccessRule[] rules =
        [
            .. Accounts.Where(a => a.Value != None).Select(a => new AccessRule([a.Key], ["closed/**"], a.Value)),
            new(["anonymous"], ["open/**"], Pull), new(["all"], ["**"], All),
        ];
        _rig = await GatewayRig.StartAsync(o => o with { Access = new() { Htpasswd = file, Rules = [.. rules] } });
        await PushAsync("closed/app");
        await PushAsync("open/app");
    }

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Every_method_of_every_path_follows_the_rights_of_each_caller()
    {
        string?[] callers = [null, "anonymous token", "forged token", .. Accounts.Keys];
        var wrong = new List<string>();
        foreach (var caller in callers)
        {
            var authorization = await AuthorizationAsync(caller);
            foreach (var (path, needs) in Paths)
            {
                foreach (var method in Methods)
                {
                    using var answer = await SendAsync(method, $"/v2/closed/none/{path}", authorization);
                    var expected = Expected(caller, method, needs);
                    // What the handler answers to one who may is another test's matter: never a refusal of rights.
                    var got = (int)answer.StatusCode is 401 or 403 or 405 || await CodeAsync(answer) == "NAME_UNKNOWN" && expected == 404
                        ? (int)answer.StatusCode
                        : 0;
                    if (got != expected)
                        wrong.Add($"{caller ?? "nobody"} {method} {path}: expected {expected}, got {(int)answer.StatusCode}");
                }
            }
        }
        Assert.Empty(wrong);
    }

    /// <summary>0 where the rules let the request through.</summary>
    private static int Expected(string? caller, string method, Dictionary<string, AccessActions> needs)
    {
        if (caller == "forged token") return 401;
        if (!needs.TryGetValue(method == "HEAD" ? "GET" : method, out var needed)) return 405;
        if (caller is null or "anonymous token") return 401;
        var rights = Accounts[caller];
        if (rights.HasFlag(needed)) return 0;
        return rights.HasFlag(Pull) ? 403 : 404;
    }

    [Theory]
    [InlineData("/v2/", "GET HEAD")]
    [InlineData("/v2/_catalog", "GET HEAD")]
    [InlineData("/token", "GET HEAD POST")]
    [InlineData("/-/decisions/d-ABCDEFGH", "GET HEAD")]
    [InlineData("/-/promote", "POST")]
    [InlineData("/-/policy/evaluate", "POST")]
    [InlineData("/nothing", "")]
    [InlineData("/v2/closed/app", "")]
    [InlineData("/v2/closed/app/tags", "")]
    public async Task Paths_without_a_repository_take_no_other_method_either(string path, string methods)
    {
        var stranger = await AuthorizationAsync("stranger");
        var forged = await AuthorizationAsync("forged token");
        foreach (var method in Methods)
        {
            using var known = await SendAsync(method, path, stranger);
            using var wrong = await SendAsync(method, path, forged);
            var isTaken = methods.Split(' ').Contains(method);
            var expected = isTaken ? 0 : methods.Length == 0 ? 404 : 405;
            Assert.Equal((method, expected), (method, isTaken && (int)known.StatusCode != 405 ? 0 : (int)known.StatusCode));
            Assert.Equal(
                (method, path == "/token" && !isTaken ? 405 : 401), (method, path == "/token" && isTaken ? 401 : (int)wrong.StatusCode));
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData("anonymous token")]
    [InlineData("stranger")]
    [InlineData("admin")]
    [InlineData("pusher")]
    [InlineData("deleter")]
    public async Task Existing_and_missing_content_look_the_same_without_rights(string? caller)
    {
        var authorization = await AuthorizationAsync(caller);
        var rights = caller is null or "anonymous token" ? None : Accounts[caller];
        foreach (var (path, needs) in Paths)
        {
            foreach (var (method, needed) in needs)
            {
                if (rights.HasFlag(needed)) continue;
                Assert.Equal(
                    (method, await WholeAsync(method, "closed/none", path, authorization)),
                    (method, await WholeAsync(method, "closed/app", path, authorization)));
            }
        }
    }

    // Another repository holds it: here it is not there.
    [Theory]
    [InlineData("GET", "manifests/{0}")]
    [InlineData("HEAD", "manifests/{0}")]
    [InlineData("GET", "blobs/{1}")]
    [InlineData("HEAD", "blobs/{1}")]
    public async Task Blob_is_served_only_through_a_repository_that_links_it(string method, string path)
    {
        var target = string.Format(System.Globalization.CultureInfo.InvariantCulture, path, Manifest, Blob);

        using var there = await SendAsync(method, $"/v2/open/app/{target}", null);
        using var other = await SendAsync(method, $"/v2/open/other/{target}", null);
        using var secret = await SendAsync(method, $"/v2/closed/app/{target}", null);

        Assert.Equal((200, 404, 401), ((int)there.StatusCode, (int)other.StatusCode, (int)secret.StatusCode));
    }

    [Theory]
    [InlineData(null, "open/app")]
    [InlineData("stranger", "open/app")]
    [InlineData("pusher", "open/app")]
    [InlineData("puller", "closed/app open/app")]
    [InlineData("all", "closed/app open/app")]
    public async Task Catalog_lists_only_repositories_that_the_caller_may_pull(string? caller, string expected)
    {
        using var answer = await SendAsync("GET", "/v2/_catalog", await AuthorizationAsync(caller));

        using var list = System.Text.Json.JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        Assert.Equal(expected.Split(' '), list.RootElement.GetProperty("repositories").EnumerateArray().Select(name => name.GetString()));
    }

    [Fact]
    public async Task Mount_without_the_right_to_pull_reveals_nothing_about_the_source()
    {
        var pusher = await AuthorizationAsync("pusher");
        var secret = Digest.Of("secret"u8);
        _rig.Client.DefaultRequestHeaders.Authorization = await AuthorizationAsync("all");
        await _rig.PushBlobAsync("hidden/app", "secret"u8.ToArray());
        _rig.Client.DefaultRequestHeaders.Authorization = null;

        foreach (var from in (string[])["&from=hidden/app", "&from=hidden/none", "&from=closed/app", ""])
        {
            using var answer = await SendAsync("POST", $"/v2/closed/mine/blobs/uploads/?mount={secret}{from}", pusher);
            Assert.Equal((from, 202), (from, (int)answer.StatusCode));
        }
        using var blob = await SendAsync("HEAD", $"/v2/closed/mine/blobs/{secret}", await AuthorizationAsync("all"));
        Assert.Equal(404, (int)blob.StatusCode);
    }

    [Theory]
    [InlineData(null, 401)]
    [InlineData("stranger", 404)]
    public async Task Missing_decision_and_decision_without_access_get_the_same_response(string? caller, int expected)
    {
        using var answer = await SendAsync("GET", "/-/decisions/d-ABCDEFGH", await AuthorizationAsync(caller));

        Assert.Equal(expected, (int)answer.StatusCode);
    }

    [Fact]
    public async Task Account_with_push_cannot_delete()
    {
        using var refused = await SendAsync("DELETE", "/v2/closed/app/manifests/v1", await AuthorizationAsync("both"));
        using var still = await SendAsync("GET", "/v2/closed/app/manifests/v1", await AuthorizationAsync("both"));

        Assert.Equal((403, 200), ((int)refused.StatusCode, (int)still.StatusCode));
    }

    private async Task PushAsync(string repository)
    {
        _rig.Client.DefaultRequestHeaders.Authorization = await AuthorizationAsync("all");
        await _rig.PushManifestAsync(repository, "v1");
        _rig.Client.DefaultRequestHeaders.Authorization = null;
    }

    private Task<HttpResponseMessage> SendAsync(string method, string path, AuthenticationHeaderValue? authorization)
    {
        var request = new HttpRequestMessage(new(method), path);
        request.Headers.Authorization = authorization;
        return _rig.Client.SendAsync(request);
    }

    private async Task<AuthenticationHeaderValue?> AuthorizationAsync(string? caller)
    {
        if (caller is null) return null;
        if (caller == "forged token") return new("Bearer", "AQAAAAAAAAAA");
        if (caller != "anonymous token") return AuthenticationHeaderValue.Parse(AccessRig.Basic(caller, caller));
        using var grant = System.Text.Json.JsonDocument.Parse(await _rig.Client.GetStringAsync("/token"));
        return new("Bearer", grant.RootElement.GetProperty("token").GetString());
    }

    /// <summary>All that a client sees of an answer, but for the time and the name that he asked about.</summary>
    private async Task<string> WholeAsync(string method, string repository, string path, AuthenticationHeaderValue? authorization)
    {
        using var answer = await SendAsync(method, $"/v2/{repository}/{path}", authorization);
        var headers = answer.Headers.Concat(answer.Content.Headers).Where(h => h.Key is not ("Date" or "Content-Length"))
            .Select(h => $"{h.Key}: {string.Join(", ", h.Value)}").Order();
        var body = await answer.Content.ReadAsStringAsync();
        return $"{(int)answer.StatusCode}\n{string.Join('\n', headers)}\n{body.Replace(repository, "NAME", StringComparison.Ordinal)}";
    }

    private static async Task<string?> CodeAsync(HttpResponseMessage answer) =>
        answer.RequestMessage!.Method == HttpMethod.Head ? "NAME_UNKNOWN"
        : answer.Content.Headers.ContentType?.MediaType == "application/json" && (int)answer.StatusCode >= 400
            ? await GatewayRig.ErrorCodeAsync(answer)
            : null;
}
