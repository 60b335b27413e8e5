using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Tests.Repositories;
using Xunit;

namespace Gateway.Tests.WebConsole;

/// <summary>What the policy hides: pages show each person no more of it than the registry does.</summary>
public sealed partial class ListenerConsoleTests
{
    // Beyond the evaluations of one page (CatalogLooks.MostOfPage).
    private const int Hidden = 1100;

    private const string Graph = "held/graph";

    [Fact]
    public async Task Link_to_the_next_page_does_not_name_a_repository_that_the_person_does_not_see()
    {
        await using var rig = await GatewayRig.StartAsync(options =>
        {
            // Without a tag, they have only what the policy holds.
            GeneratedVolume.Fill(options.Storage.Path, Hidden, 0);
            var configured = Configure(options);
            return configured with
            {
                Access = configured.Access! with { Rules = [new(["puller"], ["**"], AccessActions.Pull), .. configured.Access.Rules] },
                Policy = configured.Policy! with
                {
                    Rules = [HoldRig.Rule(OnMissing.Quarantine) with { Repositories = ["many/**"] }],
                },
            };
        });
        await PushAsync(rig, "zz/app");
        using var puller = new Person(rig.Url);
        await puller.LogInAsync("puller", Password);

        var (path, pages) = ("/repositories", 0);
        while (true)
        {
            var page = await puller.ReadAsync(path);
            Assert.DoesNotContain("many/app", WebUtility.UrlDecode(page), StringComparison.Ordinal);
            if (Names(page).Contains("zz/app")) break;
            Assert.InRange(++pages, 1, Hidden / 10);
            path = WebUtility.HtmlDecode(NextPage().Match(page).Groups[1].Value);
        }
        Assert.InRange(pages, 1, Hidden / 10);
    }

    [Fact]
    public async Task Pages_show_a_person_what_the_registry_shows()
    {
        var (image, index, evidence) = await PushHeldGraphAsync();
        string[] references = ["v1", "v2", "live", image, .. index, .. evidence];
        foreach (var account in (string[])["puller", "pusher"])
        {
            using var person = new Person(_rig.Url);
            await person.LogInAsync(account, Password);
            var login = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{account}:{Password}"));
            foreach (var reference in references)
            {
                using var page = await person.GetAsync($"/image?repository=held/graph&reference={reference}");
                using var pulled = await _rig.SendAsync(
                    "GET", $"/v2/held/graph/manifests/{reference}", null, ("Authorization", $"Basic {login}"));
                Assert.Equal((account, reference, pulled.IsSuccessStatusCode), (account, reference, page.IsSuccessStatusCode));
            }
            using var listed = await _rig.SendAsync("GET", "/v2/held/graph/tags/list", null, ("Authorization", $"Basic {login}"));
            var tags = JsonNode.Parse(await listed.Content.ReadAsStringAsync())!["tags"]!.AsArray().Select(static t => (string)t!);
            var tagPage = await person.ReadAsync("/tags?repository=held/graph");
            Assert.Equal(tags, TagLinks().Matches(tagPage).Select(static m => m.Groups[1].Value));
            if (account == "pusher") continue;
            var pages = tagPage + await person.ReadAsync("/image?repository=held/graph&reference=live");
            foreach (var digest in (string[])[image, .. index, .. evidence]) Assert.DoesNotContain(digest, pages, StringComparison.Ordinal);
        }
    }

    // A live image; a held image and a held index, each with evidence that no authority trusts.
    private async Task<(string Image, string[] Index, string[] Evidence)> PushHeldGraphAsync()
    {
        using var chief = new Person(_rig.Url);
        await chief.LogInAsync("chief", Password);
        var login = Convert.ToBase64String(Encoding.UTF8.GetBytes($"chief:{Password}"));
        _rig.Client.DefaultRequestHeaders.Authorization = new("Basic", login);
        try
        {
            var live = await PutAsync("live", "live");
            var fields = new Dictionary<string, string>
            {
                ["repository"] = Graph, ["tag"] = "live", ["digest"] = live.ToString(), ["reason"] = "tested by hand",
            };
            Assert.Equal(200, await chief.PostAsync("/holds/release", fields));
            var image = await PutAsync("v1", "held");
            var child = await PutAsync("child", "child");
            var index = await PutIndexAsync("v2", child);
            var evidence = new List<string>();
            foreach (var subject in (Digest[])[image, index, child])
                evidence.Add((await PutAsync("", $"about {subject}", subject)).ToString());
            return (image.ToString(), [index.ToString(), child.ToString()], [.. evidence]);
        }
        finally
        {
            _rig.Client.DefaultRequestHeaders.Authorization = null;
        }
    }

    private async Task<Digest> PutAsync(string tag, string note, Digest? subject = null)
    {
        await _rig.PushBlobAsync(Graph, "{}"u8.ToArray());
        var about = subject is { } of ? $$""","subject":{"mediaType":"{{MediaTypes.OciManifest}}","digest":"{{of}}","size":7}""" : "";
        return await PutAsync(tag, Encoding.UTF8.GetBytes($$"""
            {"schemaVersion":2,"mediaType":"{{MediaTypes.OciManifest}}","artifactType":"application/vnd.test","config":{"mediaType":"{{MediaTypes.OciEmpty}}","digest":"{{Digest.Of("{}"u8)}}","size":2},"layers":[],"annotations":{"note":"{{note}}"}{{about}}}
            """), MediaTypes.OciManifest);
    }

    private async Task<Digest> PutIndexAsync(string tag, Digest child)
    {
        var size = (await _rig.Client.GetByteArrayAsync(new Uri(_rig.Url, $"/v2/{Graph}/manifests/{child}"))).Length;
        var bytes = Encoding.UTF8.GetBytes($$"""
            {"schemaVersion":2,"mediaType":"{{MediaTypes.OciIndex}}","manifests":[{"mediaType":"{{MediaTypes.OciManifest}}","digest":"{{child}}","size":{{size}}}]}
            """);
        return await PutAsync(tag, bytes, MediaTypes.OciIndex);
    }

    private async Task<Digest> PutAsync(string tag, byte[] bytes, string type)
    {
        var digest = Digest.Of(bytes);
        using var pushed = await _rig.PutManifestAsync(Graph, tag.Length == 0 ? digest.ToString() : tag, bytes, type);
        Assert.Equal(201, (int)pushed.StatusCode);
        return digest;
    }

    [GeneratedRegex(@"href=""/-/console([^""]+)"" rel=""next""")]
    private static partial Regex NextPage();

    [GeneratedRegex(@"<th scope=""row""><a href=""[^""]+""><b>([^<]+)</b>")]
    private static partial Regex TagLinks();
}
