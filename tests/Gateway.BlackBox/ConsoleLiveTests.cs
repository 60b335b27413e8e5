using Gateway.BlackBox.Rig;
using Scripted;

namespace Gateway.BlackBox;

/// <summary>Pages that follow the gateway, and the console on a listener, in a real browser.</summary>
public sealed class ConsoleLiveTests(ConsoleFixture fixture) : IClassFixture<ConsoleFixture>
{
    private const string Status = "performance.getEntriesByType('navigation')[0].responseStatus + ''";

    [Fact]
    public async Task Two_browsers_follow_one_fetch_without_reloading()
    {
        await using var upstream = await ScriptedUpstream.StartAsync();
        var bytes = ScriptedUpstream.Bytes(3_000_000, 1);
        var digest = upstream.AddBlob("team/big", bytes);
        var gate = new TaskCompletionSource();
        upstream.When(request => request.Path.EndsWith(digest, StringComparison.Ordinal)).PauseFor(gate.Task, after: 1_000_000);
        await using var gateway = await GatewayProcess.StartAsync($"upstreams: {{ slow.test: {{ url: \"{upstream.Url}\" }} }}");
        var page = new Uri(gateway.Operator, "/activity").ToString();
        await using var one = await Browser.StartAsync("console.test");
        await using var other = await Browser.StartAsync("console.test");
        foreach (var browser in (Browser[])[one, other])
        {
            await browser.LoadAsync(page);
            await browser.ReadAsync("window.stayed = 'yes'");
        }
        using var http = new HttpClient();
        var reading = http.GetByteArrayAsync(new Uri($"http://{gateway.Host}/v2/slow.test/team/big/blobs/{digest}"));

        foreach (var browser in (Browser[])[one, other])
        {
            await browser.UntilAsync("document.querySelector('#activity section[aria-labelledby=fetches] tbody code')?.title", digest);
            await browser.UntilAsync("String(document.querySelector('progress')?.value > 0)", "true");
            Assert.Equal("yes", await browser.ReadAsync("window.stayed"));
        }
        gate.SetResult();
        Assert.Equal(bytes.Length, (await reading).Length);
        foreach (var browser in (Browser[])[one, other])
        {
            await browser.UntilAsync("document.querySelector('#activity section[aria-labelledby=fetches] p')?.textContent", "None.");
            Assert.Equal("yes", await browser.ReadAsync("window.stayed"));
        }
    }

    [Fact]
    public async Task Person_without_a_mouse_logs_in_finds_a_tag_and_deletes_it()
    {
        await fixture.PushAsync("keys/app:old", 90);
        await fixture.PushAsync("keys/app:new", 91);
        await using var browser = await Browser.StartAsync("console.test");
        await browser.ViewAsync(1440, 900);
        await browser.LoadAsync($"http://{fixture.Gateway.Host}/-/console/");

        await browser.TabToAsync("[name=account]");
        await browser.TypeAsync("chief");
        await browser.TabToAsync("[name=password]");
        await browser.TypeAsync(ConsoleFixture.Password);
        await browser.PressAsync("Enter");
        await browser.UntilAsync("document.querySelector('h1')?.textContent", "Overview");
        await browser.TabToAsync("nav a[href$='/repositories']");
        await browser.PressAsync("Enter");
        await browser.UntilAsync("document.querySelector('h1')?.textContent", "Repositories");
        await browser.TabToAsync("[name=search]");
        await browser.TypeAsync("keys");
        await browser.UntilAsync("document.querySelectorAll('tbody tr').length + ''", "1");
        await browser.TabToAsync("tbody a[href*='keys%2Fapp']");
        await browser.PressAsync("Enter");
        await browser.UntilAsync("document.querySelector('h1')?.textContent", "keys/app");
        await browser.TabToAsync("[name=tag][value=old]");
        await browser.PressAsync(" ");
        await browser.TabToAsync(".actions button.danger");
        await browser.PressAsync("Enter");
        await browser.UntilAsync("document.querySelector('h1')?.textContent", "Delete this tag?");
        await browser.TabToAsync("button.sure");
        await browser.PressAsync("Enter");
        await browser.UntilAsync("document.querySelector('h1')?.textContent", "Deleted");

        var left = await fixture.Client.CraneAsync("ls", "--insecure", fixture.At("keys/app"));
        Assert.Equal("new", left.Succeeded().Stdout.Trim());
    }

    [Fact]
    public async Task Pages_of_an_empty_store_say_so_and_axe_finds_nothing()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        await using var browser = await Browser.StartAsync("console.test");
        string[] pages =
        [
            "/", "/repositories", "/repositories?sort=size", "/repositories?search=absent", "/tree", "/holds", "/policy", "/policy/compare",
            "/activity", "/upkeep", "/trash", "/configuration", "/replicas",
        ];
        foreach (var (i, page) in pages.Index())
        {
            await browser.ViewAsync(i % 2 == 0 ? 360 : 1221, 900, dark: i % 3 == 0);
            await browser.LoadAsync(new Uri(gateway.Operator, page).ToString());
            Assert.Equal((page, "200"), (page, await browser.ReadAsync(Status)));
            Assert.Equal((page, "true"), (page, await browser.ReadAsync("(document.documentElement.scrollWidth <= innerWidth) + ''")));
            Assert.Equal((page, ""), (page, await browser.AxeAsync()));
        }
        foreach (var page in (string[])["/tags?repository=team/app", "/image?repository=team/app&reference=v1", "/nothing"])
        {
            await browser.LoadAsync(new Uri(gateway.Operator, page).ToString());
            Assert.Equal((page, "404"), (page, await browser.ReadAsync(Status)));
        }
    }

    [Fact]
    public async Task Person_logs_in_and_out_on_a_listener()
    {
        var origin = $"http://{fixture.Gateway.Host}/-/console";
        await using var browser = await Browser.StartAsync("console.test");
        await browser.ViewAsync(360, 800, dark: true);
        await browser.LoadAsync($"{origin}/");
        await browser.UntilAsync("document.querySelector('h1')?.textContent", "Log in");
        Assert.Equal("", await browser.AxeAsync());

        await browser.ReadAsync("document.querySelector('[name=account]').value = 'viewer'");
        await browser.ReadAsync($"document.querySelector('[name=password]').value = \"{ConsoleFixture.Password}\"");
        await browser.ReadAsync("document.querySelector('.login button').click()");
        await browser.UntilAsync("document.querySelector('h1')?.textContent", "Repositories");
        Assert.Equal("", await browser.ReadAsync("document.cookie"));
        Assert.Equal("charts/web team/app", await browser.ReadAsync(
            "[...document.querySelectorAll('tbody th > a:first-child')].map(a => a.textContent).join(' ')"));
        Assert.Equal("", await browser.AxeAsync());

        await browser.ReadAsync("document.querySelector('.account button').click()");
        await browser.UntilAsync("document.querySelector('h1')?.textContent", "Log in");
        await browser.LoadAsync($"{origin}/repositories");
        await browser.UntilAsync("document.querySelector('h1')?.textContent", "Log in");
    }
}
