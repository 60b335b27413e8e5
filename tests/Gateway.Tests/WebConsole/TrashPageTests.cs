using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Xunit;

namespace Gateway.Tests.WebConsole;

/// <summary>The trash, and bringing back what is in it.</summary>
public sealed partial class TrashPageTests : IAsyncLifetime
{
    private GatewayRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await GatewayRig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Deleted_tag_is_listed_and_comes_back_with_its_manifest()
    {
        var digest = await _rig.PushManifestAsync("team/app", "v1");
        using (var deleted = await _rig.SendAsync("DELETE", $"/v2/team/app/manifests/{digest}")) Assert.Equal(202, (int)deleted.StatusCode);
        var rows = (await PageAsync(""))["items"]!.AsArray();
        Assert.Equal(["manifest", "tag"], rows.Select(static row => (string)row!["what"]!).Order());
        Assert.All(rows, row => Assert.Equal(("team/app", digest.ToString()), ((string)row!["repository"]!, (string?)row["digest"])));

        Assert.Equal(200, await RestoreAsync(digest.ToString(), "v1"));

        using var there = await _rig.SendAsync("GET", "/v2/team/app/manifests/v1");
        Assert.Equal((200, digest.ToString()), ((int)there.StatusCode, GatewayRig.Header(there, "Docker-Content-Digest")));
    }

    [Fact]
    public async Task Restored_manifest_has_no_tag()
    {
        var digest = await _rig.PushManifestAsync("team/app", "v1");
        using (var deleted = await _rig.SendAsync("DELETE", $"/v2/team/app/manifests/{digest}")) Assert.Equal(202, (int)deleted.StatusCode);

        Assert.Equal(200, await RestoreAsync(digest.ToString(), ""));

        using var there = await _rig.SendAsync("GET", $"/v2/team/app/manifests/{digest}");
        using var tag = await _rig.SendAsync("GET", "/v2/team/app/manifests/v1");
        Assert.Equal((200, 404), ((int)there.StatusCode, (int)tag.StatusCode));
    }

    [Fact]
    public async Task Tag_that_was_bound_again_meanwhile_stays_as_it_is()
    {
        var digest = await _rig.PushManifestAsync("team/app", "v1");
        using (var deleted = await _rig.SendAsync("DELETE", "/v2/team/app/manifests/v1")) Assert.Equal(202, (int)deleted.StatusCode);
        var other = await _rig.PushManifestAsync("team/app", "v1", subject: digest.ToString());

        Assert.Equal(409, await RestoreAsync(digest.ToString(), "v1"));

        using var there = await _rig.SendAsync("GET", "/v2/team/app/manifests/v1");
        Assert.Equal(other.ToString(), GatewayRig.Header(there, "Docker-Content-Digest"));
    }

    [Fact]
    public async Task Pages_of_the_trash_list_each_item_once_the_latest_first()
    {
        var names = Enumerable.Range(0, 60).Select(static i => $"v{i:00}").ToArray();
        foreach (var name in names) await _rig.PushManifestAsync("team/app", name);
        await _rig.PushManifestAsync("other/app", "x");
        foreach (var name in names) (await _rig.SendAsync("DELETE", $"/v2/team/app/manifests/{name}")).Dispose();
        (await _rig.SendAsync("DELETE", "/v2/other/app/manifests/x")).Dispose();

        var first = await PageAsync("?search=team");
        var second = await PageAsync($"?search=team&last={first["next"]}");

        string[] listed = [.. first["items"]!.AsArray().Concat(second["items"]!.AsArray()).Select(static row => (string)row!["tag"]!)];
        Assert.Equal(names.Reverse(), listed);
        Assert.Null(second["next"]);
    }

    private async Task<JsonNode> PageAsync(string query) =>
        JsonNode.Parse(await _rig.Client.GetStringAsync(new Uri(_rig.Operator, $"/api/v1/pages/trash{query}")))!;

    private async Task<int> RestoreAsync(string digest, string tag)
    {
        var page = await _rig.Client.GetStringAsync(new Uri(_rig.Operator, "/upkeep"));
        var fields = new Dictionary<string, string>
        {
            ["repository"] = "team/app", ["digest"] = digest, ["tag"] = tag, ["csrf"] = Csrf().Match(page).Groups[1].Value,
        };
        using var answer = await _rig.Client.PostAsync(new Uri(_rig.Operator, "/trash/restore"), new FormUrlEncodedContent(fields));
        return (int)answer.StatusCode;
    }

    [GeneratedRegex(@"name=""csrf"" value=""(\w+)""")]
    private static partial Regex Csrf();
}
