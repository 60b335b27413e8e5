using System.Text.Json;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Tests.Access;
using Gateway.Upstream;
using Scripted;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>The catalog of a gateway with built-in repositories and a registry behind it.</summary>
public sealed class FrontedCatalogTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-catalog-").FullName;
    private ScriptedUpstream _corp = null!;

    public async ValueTask InitializeAsync()
    {
        _corp = await ScriptedUpstream.StartAsync("127.0.0.1", false);
        foreach (var name in (string[])["a", "a-b", "a/b", "secret/x", "z"]) _corp.AddImage(name, "1", ScriptedUpstream.Bytes(10, seed: 1));
    }

    public async ValueTask DisposeAsync()
    {
        await _corp.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private Task<GatewayRig> StartAsync(
        bool later = false, AccessOptions? access = null, UpstreamAuth auth = UpstreamAuth.Service,
        params CredentialOptions[] credentials) =>
        GatewayRig.StartAsync(options => options with
        {
            Upstreams = options.Upstreams.Add(
                "registry", new() { Key = "registry", Urls = [_corp.Url], Auth = auth, Credentials = [.. credentials] }),
            Routes = [new() { Prefix = "corp", Upstream = "registry", Forwards = true, ForwardsLater = later }, new() { Prefix = "" }],
            Access = access,
        });

    private static async Task<(string[] Names, string? Link, string? Warning)> ListAsync(
        GatewayRig rig, string query = "", params (string Name, string Value)[] headers)
    {
        using var answer = await rig.SendAsync("GET", $"/v2/_catalog{query}", null, headers);
        Assert.Equal(200, (int)answer.StatusCode);
        using var json = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        return (
            [.. json.RootElement.GetProperty("repositories").EnumerateArray().Select(e => e.GetString()!)],
            GatewayRig.Header(answer, "Link"), GatewayRig.Header(answer, "Warning"));
    }

    [Fact]
    public async Task Names_of_both_are_listed_in_bytewise_order_and_page_by_page()
    {
        await using var rig = await StartAsync();
        await rig.PushManifestAsync("before", "1");
        await rig.PushManifestAsync("corpse", "1");
        // Two names on a page of the registry's, whatever is asked.
        _corp.PageSize = 2;
        string[] all = ["before", "corp/a", "corp/a-b", "corp/a/b", "corp/secret/x", "corp/z", "corpse"];

        Assert.Equal((all, null, null), await ListAsync(rig), Same);
        List<string> paged = [];
        for (var query = "?n=2"; query != "";)
        {
            var (names, link, _) = await ListAsync(rig, query);
            Assert.InRange(names.Length, 1, 2);
            paged.AddRange(names);
            query = link is null ? "" : link[link.IndexOf('?', StringComparison.Ordinal)..link.IndexOf('>', StringComparison.Ordinal)];
        }
        Assert.Equal(all, paged);
        // One reading served them all.
        Assert.Equal(3, _corp.Count(r => r.IsCatalog));
    }

    [Fact]
    public async Task Catalog_lists_only_names_that_the_caller_may_pull()
    {
        var file = Path.Combine(_folder, "htpasswd");
        await File.WriteAllLinesAsync(file, [AccessRig.Line("ci", "ci")]);
        AccessRule[] rules =
            [new(["anonymous"], ["corp/a*"], AccessActions.Pull), new(["ci"], ["corp/secret/**"], AccessActions.Pull)];
        await using var rig = await StartAsync(access: new() { Htpasswd = file, Rules = [.. rules] });
        var ci = ("Authorization", "Basic Y2k6Y2k=");

        Assert.Equal((["corp/a", "corp/a-b"], null, null), await ListAsync(rig), Same);
        Assert.Equal((["corp/a", "corp/a-b", "corp/secret/x"], null, null), await ListAsync(rig, "", ci), Same);
    }

    [Fact]
    public async Task Warning_that_names_the_upstream_is_not_for_identity_tokens_that_no_rule_names()
    {
        using var issuer = new IssuerRig();
        _corp.When(r => r.IsCatalog).Respond(404);
        await using var rig = await StartAsync(
            access: issuer.Access.Options with { Rules = [new(["@builders"], ["corp/a"], AccessActions.Pull)] });

        var stranger = ("Authorization", $"Bearer {issuer.Token(("sub", "repo:evil/app"))}");
        Assert.Null((await ListAsync(rig, "", stranger)).Warning);
        Assert.NotNull((await ListAsync(rig, "", ("Authorization", $"Bearer {issuer.Token()}"))).Warning);
    }

    [Theory]
    [InlineData(404)]
    [InlineData(405)]
    [InlineData(403)]
    [InlineData(401)]
    [InlineData(503)]
    public async Task Upstream_without_a_catalog_adds_a_warning_and_pulls_still_work(int status)
    {
        var refuses = _corp.When(r => r.IsCatalog);
        // Also to the right password: it is no wrong one for that.
        _ = status == 401 ? refuses.Challenge("Basic realm=\"catalog\"") : refuses.Respond(status);
        await using var rig = await StartAsync(credentials: new CredentialOptions { Username = "gateway", Password = "right" });
        _corp.RequireBasic("gateway", "right");
        await rig.PushManifestAsync("own", "1");

        for (var i = 0; i < 3; i++)
        {
            var (names, _, warning) = await ListAsync(rig);
            Assert.Equal(["own"], names);
            Assert.StartsWith("299 - \"upstream registry does not list its repositories", warning, StringComparison.Ordinal);
        }
        // Who is down is asked again after 5 s.
        if (status != 503) Assert.Equal(status == 401 ? 2 : 1, _corp.Count(r => r.IsCatalog));
        using var pulled = await rig.SendAsync("GET", "/v2/corp/a/manifests/1");
        Assert.Equal(200, (int)pulled.StatusCode);
    }

    [Fact]
    public async Task Catalog_needs_a_token()
    {
        _corp.RequireToken();
        await using var rig = await StartAsync();

        Assert.Equal(5, (await ListAsync(rig)).Names.Length);
        Assert.Contains(
            _corp.Requests,
            r => r.IsToken && Uri.UnescapeDataString(r.Query).Contains("scope=registry:catalog:*", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Staged_content_is_in_the_catalog_while_the_upstream_is_down()
    {
        await using var rig = await StartAsync(later: true);
        _corp.When(_ => true).Respond(503);
        await rig.PushManifestAsync("corp/new", "1");

        var (names, _, warning) = await ListAsync(rig);

        Assert.Equal(["corp/new"], names);
        Assert.NotNull(warning);
    }

    [Fact]
    public async Task Passthrough_repositories_are_not_in_the_catalog()
    {
        await using var rig = await StartAsync(auth: UpstreamAuth.Passthrough);

        Assert.Empty((await ListAsync(rig, "", ("Authorization", "Basic Y2k6Y2k="))).Names);
        Assert.Equal(0, _corp.Count(r => r.IsCatalog));
    }

    private static bool Same((string[] Names, string? Link, string? Warning) a, (string[] Names, string? Link, string? Warning) b) =>
        a.Names.SequenceEqual(b.Names) && a.Link == b.Link && a.Warning == b.Warning;
}
