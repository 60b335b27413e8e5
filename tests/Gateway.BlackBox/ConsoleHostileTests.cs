using System.Globalization;
using System.Net;
using System.Text;
using Gateway.BlackBox.Rig;

namespace Gateway.BlackBox;

/// <summary>
/// The console in a real browser, over content, names and accounts that were made up to break its pages: no script runs, the browser
/// reports no violation of the content security policy, and every page fits a narrow window.
/// </summary>
public sealed class ConsoleHostileTests : IAsyncLifetime
{
    private readonly TempFolder _folder = new();
    private GatewayProcess _gateway = null!;

    // Opens what is folded, so that it is measured too.
    private const string Problems = """
        (() => {
          for (const each of document.querySelectorAll('details')) each.open = true;
          const status = performance.getEntriesByType('navigation')[0].responseStatus;
          const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
              && !e.closest('pre') && !e.closest('.visually-hidden'));
          return [
            status == 200 ? '' : 'status ' + status,
            window.ran === undefined ? '' : 'script ran ' + window.ran,
            window.reported.join(),
            document.documentElement.scrollWidth <= innerWidth ? '' : 'wider than the window: ' + document.documentElement.scrollWidth + ' '
              + wide.slice(0, 1).map(e => e.outerHTML.slice(0, 120)).join(' | '),
            document.querySelector('footer')?.checkVisibility() ? '' : 'no footer',
          ].filter(Boolean).join('; ');
        })()
        """;

    private static string Query => Uri.EscapeDataString(HostileContent.Markup);

    private static IEnumerable<string> Pages =>
    [
        "/", "/repositories", "/repositories?sort=size", "/repositories?sort=own", "/holds", "/policy", "/activity", "/upkeep",
        "/trash", "/configuration", "/replicas", "/tree", "/tree?under=hostile", $"/tree?under={Query}",
        "/layers?repository=hostile/app&reference=v1", $"/trash?search={Query}", $"/policy/compare?policy={Query}",
        "/hold?repository=held/hostile&tag=v1",
        "/tags?repository=hostile/app", "/tags?repository=hostile/index", "/tags?repository=hostile/broken",
        "/tags?repository=hostile/referrers", $"/tags?repository={HostileContent.LongName}",
        .. HostileContent.References.Select(static reference => $"/image?repository={reference}"),
        $"/repositories?search={Query}", $"/tags?repository=hostile/app&search={Query}&platform={Query}&tool={Query}&type={Query}",
        $"/policy?reference={Query}&stage={Query}&as={Query}", $"/policy?reference=hostile/app:v1&as={Query}", $"/activity?actor={Query}",
        $"/holds?repository={Query}&last={Query}", $"/?window={Query}",
    ];

    public async ValueTask InitializeAsync()
    {
        using var client = new Client();
        (await client.RunAsync("cosign3", "generate-key-pair", "--output-key-prefix", "release")).Succeeded();
        File.Copy(client.Folder["release.pub"], _folder["release.pub"]);
        _gateway = await GatewayProcess.StartAsync($$"""
            console: { listen: true }
            audit: { path: "{{_folder["audit.jsonl"]}}" }
            access: { rules: [{ actors: [anonymous], repositories: ["**"], actions: [pull, push, delete, admin] }] }
            policy:
              default: allow
              trust:
                keys: { release: { pem: "{{_folder["release.pub"]}}" } }
                authorities: { release: { anyOf: [{ key: release }] } }
              rules:
                - id: held
                  match: { repos: ["held/**"] }
                  require: { signatures: [{ authority: release }] }
                  onMissing: quarantine
                - id: audited
                  match: { repos: ["hostile/**"] }
                  require: { signatures: [{ authority: release }] }
                  mode: audit
            """);
        using var content = new HostileContent(_gateway.Host);
        await content.PushAsync();
        await LogInWithMarkupAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        _folder.Dispose();
    }

    // The audit log names the account that was refused, and pages show it.
    private async Task LogInWithMarkupAsync()
    {
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false });
        http.DefaultRequestHeaders.TryAddWithoutValidation("User-Agent", "<script>window.ran=6</script>");
        var form = new Uri($"http://{_gateway.Host}/-/console/login");
        using var asked = await http.GetAsync(form);
        var page = await asked.Content.ReadAsStringAsync();
        var csrf = page.Split("name=\"csrf\" value=\"")[1].Split('"')[0];
        using var fields = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["csrf"] = csrf, ["account"] = HostileContent.Markup, ["password"] = "wrong",
        });
        using var answer = await http.PostAsync(form, fields);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
    }

    [Fact]
    public async Task Hostile_content_runs_nothing_and_breaks_no_page()
    {
        await using var browser = await Browser.StartAsync("console.test");
        await browser.BeforeEachPageAsync("""
            window.reported = [];
            document.addEventListener('securitypolicyviolation', e => window.reported.push(e.violatedDirective + ' ' + e.blockedURI));
            """);
        var found = new StringBuilder();
        foreach (var page in Pages)
        {
            await browser.LoadAsync(new Uri(_gateway.Operator, page).ToString());
            foreach (var width in (int[])[360, 1221, 1431])
            {
                await browser.ViewAsync(width, 800);
                var state = await browser.ReadAsync(Problems);
                if (state == "") continue;
                var name = page[..Math.Min(page.Length, 80)];
                found.AppendLine(CultureInfo.InvariantCulture, $"{name} at {width} px: {state ?? "no answer"}");
            }
        }
        if (found.Length > 0) Assert.Fail(found.ToString());
    }
}
