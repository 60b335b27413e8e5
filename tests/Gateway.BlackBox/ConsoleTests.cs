using System.Text.Json;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>The console in a real browser, with content that real clients made.</summary>
public sealed class ConsoleTests(ConsoleFixture fixture) : IClassFixture<ConsoleFixture>
{
    private const string Image = "/image?repository=";

    private static readonly (int Width, bool IsDark)[] Views =
        [(360, false), (360, true), (800, false), (800, true), (1440, false), (1440, true)];

    /// <summary>The pages, each with texts that it must show.</summary>
    public static TheoryData<string, string[]> Pages => new()
    {
        { "/", ["Saved from upstreams", "hub.test", "reachable", "Held pushes", "signed-by-release"] },
        { "/policy?reference=team/app:v2&stage=push", ["signed-by-release", "a signature by release", "SIG_NONE"] },
        { "/activity", ["Fetches under way", "push", "team/app:v1"] },
        { "/upkeep", ["Run a collection", "No listener uses https", "restored"] },
        { "/configuration", ["storage.path", "default", "upstreams.hub.test.url"] },
        { "/trash", ["stays here for a while"] },
        { "/policy/compare", ["The edited policy", "signed-by-release"] },
        { "/repositories", ["charts/web", "cached from hub.test", "2 held", "signed-by-release"] },
        { "/tags?repository=team/app", ["Signed by release", "Not signed", "Signed, not trusted", "Held, ends in", "docker pull"] },
        { "/tags?repository=team/app&tool=oras", ["oras pull --plain-http"] },
        { "/tags?repository=sealed/app", ["Encrypted image"] },
        { "/tags?repository=hub.test/library/alpine", ["linux/amd64", "cached from hub.test"] },
        { $"{Image}team/app&reference=v1", ["Signed by release", "3 packages", "by release", "signed-by-release", "Layers"] },
        { $"{Image}team/app&reference=v2", ["Not signed", "SIG_NONE", "held"] },
        { $"{Image}team/app&reference=v3", ["SIG_NO_TRUSTED", "does not count"] },
        { "/tree?under=team", ["app", "tags"] },
        { "/layers?repository=team/app&reference=v1", ["Who uses these layers", "(this one)"] },
        { "/tags?repository=team/app&sort=own", ["own", "what deleting frees most"] },
        { "/holds", ["team/app:v2", "a signature by release"] },
        { "/hold?repository=team/app&tag=v2", ["SIG_NONE", "cosign sign --key release.key", "nothing: the tag is not bound yet"] },
        { $"{Image}charts/web&reference=1.2.3", ["Helm chart", "description: A web server", "replicas: 2", "Serves <b>pages</b>"] },
        { $"{Image}multi/app&reference=1", ["Multi-platform image", "linux/amd64", "linux/arm64"] },
        { $"{Image}sealed/app&reference=1", ["Encrypted image", "tar+gzip+encrypted"] },
        { $"{Image}packed/zstd&reference=1", ["tar+zstd"] },
        { $"{Image}sif/hello&reference=1", ["SIF image"] },
    };

    /// <summary>
    /// Each page, at three widths, light and dark: it shows what it should, it fits the window, and axe-core finds nothing. With
    /// GATEWAY_SHOTS, pictures of the pages are written to that folder.
    /// </summary>
    [Fact]
    public async Task Pages_show_the_content_at_every_width_and_axe_finds_nothing()
    {
        await using var browser = await Browser.StartAsync("console.test");
        await WalkAsync(browser, fixture, [.. Pages.Select(static row => row.Data)], Views);
    }

    /// <summary>Opens pages, and asserts that each shows its texts, fits each view, and has nothing that axe-core finds.</summary>
    internal static async Task WalkAsync(
        Browser browser, ConsoleFixture fixture, (string Page, string[] Expected)[] pages, (int Width, bool IsDark)[] views)
    {
        foreach (var (i, (page, expected)) in pages.Index())
        {
            await browser.LoadAsync(fixture.Page(page));
            try
            {
                // A page that is still counting asks again by itself.
                await ShowsAsync(expected);
            }
            catch (TimeoutException)
            {
                // But only some times, which a slow machine uses up.
                await browser.LoadAsync(fixture.Page(page));
                await ShowsAsync(expected);
            }
            foreach (var (width, dark) in views)
            {
                await browser.ViewAsync(width, 900, dark);
                Assert.Equal((page, width, "true"), (page, width, await browser.ReadAsync(
                    "String(document.documentElement.scrollWidth <= innerWidth)")));
                Assert.Equal((page, width, dark, ""), (page, width, dark, await browser.AxeAsync()));
                if (Environment.GetEnvironmentVariable("GATEWAY_SHOTS") is { Length: > 0 } folder)
                    await browser.ShootAsync($"{folder}/{i:00}-{width}-{(dark ? "dark" : "light")}.png");
            }
        }

        async Task ShowsAsync(string[] expected)
        {
            foreach (var part in expected)
                await browser.UntilAsync($"String(document.body.textContent.includes({JsonSerializer.Serialize(part)}))", "true");
        }
    }

    [Fact]
    public async Task Repositories_are_found_as_one_types()
    {
        await using var browser = await Browser.StartAsync("console.test");
        await browser.LoadAsync(fixture.Page("/repositories"));

        await browser.ReadAsync(
            "(e => { e.value = 'tEam'; e.dispatchEvent(new Event('input', { bubbles: true })) })(document.querySelector('[name=search]'))");

        await browser.UntilAsync("location.search", "?search=tEam&sort=name");
        // Other tests push to other repositories, some of them below team/.
        await browser.UntilAsync("document.querySelector('tbody a').textContent", "team/app");
        await browser.UntilAsync("String([...document.querySelectorAll('tbody tr')].every(row => row.textContent.includes('team/')))", "true");
    }

    [Fact]
    public async Task Held_push_is_released_from_its_page_and_then_pulled()
    {
        await fixture.PushAsync("team/released:v1", 80);
        var pulled = fixture.Client.Folder["released.tar"];
        await using var browser = await Browser.StartAsync("console.test");
        await browser.LoadAsync(fixture.Page("/holds"));
        await browser.ReadAsync("[...document.querySelectorAll('tbody a')].find(a => a.textContent == 'team/released:v1').click()");
        await browser.UntilAsync("document.querySelector('h1')?.textContent", "team/released:v1");
        Assert.Contains(
            $"cosign sign --key release.key --allow-http-registry {fixture.At("team/released@sha256:")}",
            await browser.ReadAsync("document.body.textContent"), StringComparison.Ordinal);
        using (var viewer = new ViewerClient(fixture))
            (await viewer.Client.CraneAsync("pull", "--insecure", fixture.At("team/released:v1"), pulled)).Failed();

        await browser.ReadAsync("document.querySelector('[name=reason]').value = 'the key is lost'");
        await browser.ReadAsync("document.querySelector('[formaction$=release]').click()");
        await browser.UntilAsync("document.querySelector('h1')?.textContent", "Release");

        using (var viewer = new ViewerClient(fixture))
            (await viewer.Client.CraneAsync("pull", "--insecure", fixture.At("team/released:v1"), pulled)).Succeeded();
    }

    /// <summary>A client with an account that may only pull.</summary>
    private sealed class ViewerClient : IDisposable
    {
        public ViewerClient(ConsoleFixture fixture)
        {
            var login = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"viewer:{ConsoleFixture.Password}"));
            Client.Folder.Write(
                "home/.docker/config.json", $$$"""{ "auths": { "{{{fixture.Gateway.Host}}}": { "auth": "{{{login}}}" } } }""");
        }

        public Client Client { get; } = new();

        public void Dispose() => Client.Dispose();
    }

    [Fact]
    public async Task Selected_tags_are_deleted_after_the_page_said_what_that_frees()
    {
        await fixture.PushAsync("old/app:a", 70);
        await fixture.PushAsync("old/app:b", 71);
        await fixture.PushAsync("old/app:c", 72);
        await using var browser = await Browser.StartAsync("console.test");
        await browser.LoadAsync(fixture.Page("/tags?repository=old/app"));

        await browser.ReadAsync("for (const v of ['a', 'b']) document.querySelector(`[value=${v}]`).click()");
        await browser.ReadAsync("document.querySelector('.actions button').click()");
        await browser.UntilAsync("document.querySelector('h1')?.textContent", "Delete these 2 tags?");
        var page = await browser.ReadAsync("document.querySelector('main').textContent.replace(/\\s+/g, ' ')");
        Assert.Contains("Nothing else needs 634 KiB", page, StringComparison.Ordinal);
        Assert.Contains("moves the content to the trash", page, StringComparison.Ordinal);
        await browser.ReadAsync("document.querySelector('button.sure').click()");
        await browser.UntilAsync("document.querySelector('h1')?.textContent", "Deleted");

        var left = await fixture.Client.CraneAsync("ls", "--insecure", fixture.At("old/app"));
        Assert.Equal("c", left.Succeeded().Stdout.Trim());
    }

    [Fact]
    public async Task Tag_is_rolled_back_from_its_page_and_clients_then_get_the_earlier_image()
    {
        await fixture.PushAsync("rolled/app:v1", 60);
        var earlier = (await fixture.Client.CraneAsync("digest", "--insecure", fixture.At("rolled/app:v1"))).Succeeded().Stdout.Trim();
        await fixture.PushAsync("rolled/app:v1", 61);
        await using var browser = await Browser.StartAsync("console.test");
        await browser.LoadAsync(fixture.Page($"{Image}rolled/app&reference=v1"));

        await browser.ReadAsync("[...document.querySelectorAll('td.action a')].find(a => a.textContent.startsWith('Roll back')).click()");
        await browser.UntilAsync("document.querySelector('h1')?.textContent", "Roll back rolled/app:v1?");
        Assert.Equal("", await browser.AxeAsync());
        await ShootAsync(browser, "rollback");
        await browser.ReadAsync("document.querySelector('button.sure').click()");
        await browser.UntilAsync("document.querySelector('.notice')?.textContent", $"rolled/app:v1 is now {earlier}.");

        var now = await fixture.Client.CraneAsync("digest", "--insecure", fixture.At("rolled/app:v1"));
        Assert.Equal(earlier, now.Succeeded().Stdout.Trim());
    }

    [Fact]
    public async Task Deleted_tag_is_restored_from_the_trash_and_pulled()
    {
        await fixture.PushAsync("trashed/app:v1", 65);
        var digest = (await fixture.Client.CraneAsync("digest", "--insecure", fixture.At("trashed/app:v1"))).Succeeded().Stdout.Trim();
        (await fixture.Client.CraneAsync("delete", "--insecure", fixture.At($"trashed/app@{digest}"))).Succeeded();
        (await fixture.Client.CraneAsync("manifest", "--insecure", fixture.At("trashed/app:v1"))).Failed();
        await using var browser = await Browser.StartAsync("console.test");
        await browser.LoadAsync(fixture.Page("/trash?search=trashed"));
        Assert.Equal("", await browser.AxeAsync());
        await ShootAsync(browser, "trash");

        await browser.ReadAsync("document.querySelector('[aria-label=\"Restore trashed/app:v1\"]').click()");
        await browser.UntilAsync(
            "[...document.querySelectorAll('.notice')].at(-1)?.textContent", $"trashed/app:v1 is now {digest}.");

        var pulled = fixture.Client.Folder["trashed.tar"];
        (await fixture.Client.CraneAsync("pull", "--insecure", fixture.At("trashed/app:v1"), pulled)).Succeeded();
    }

    // Pictures of a page at two widths, light and dark, in the folder GATEWAY_SHOTS.
    private static async Task ShootAsync(Browser browser, string name)
    {
        if (Environment.GetEnvironmentVariable("GATEWAY_SHOTS") is not { Length: > 0 } folder) return;
        foreach (var (width, dark) in ((int, bool)[])[(360, true), (1440, false)])
        {
            await browser.ViewAsync(width, 900, dark);
            await browser.ShootAsync($"{folder}/{name}-{width}.png");
        }
    }

    [Fact]
    public async Task Pages_can_be_read_without_scripts()
    {
        await using var browser = await Browser.StartAsync("console.test");
        await browser.ScriptsAsync(isAllowed: false);
        await browser.OpenAsync(fixture.Page("/repositories?search=team"));

        await browser.UntilAsync("document.querySelector('tbody a')?.textContent", "team/app");
        // No button that only a script can serve.
        Assert.Equal("0", await browser.ReadAsync(
            "String([...document.querySelectorAll('.copy')].filter(b => b.checkVisibility()).length)"));
    }
}
