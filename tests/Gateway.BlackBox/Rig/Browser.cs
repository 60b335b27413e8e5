using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;

namespace Gateway.BlackBox.Rig;

/// <summary>Debian's chromium with one page, driven by the DevTools protocol; its profile is new, and removed at the end.</summary>
internal sealed class Browser : IAsyncDisposable
{
    // The sandbox does not work as root. The other options prevent the browser from contacting its vendor.
    private static readonly string[] Flags =
    [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--remote-debugging-port=0", "--hide-scrollbars",
    ];

    private readonly TempFolder _profile = new();
    private readonly ClientWebSocket _page = new();
    private readonly Server _process;
    private int _sent;

    private Browser(IEnumerable<string> flags) =>
        _process = Server.Start(RigFolder.Program("chromium"), [.. Flags, .. flags, $"--user-data-dir={_profile.Path}", "about:blank"]);

    /// <summary>Starts a browser.</summary>
    /// <param name="host">A name that the browser resolves to 127.0.0.1.</param>
    public static async Task<Browser> StartAsync(string host)
    {
        var browser = new Browser([$"--host-resolver-rules=MAP {host} 127.0.0.1", "--ignore-certificate-errors"]);
        try
        {
            await browser.ConnectAsync();
        }
        catch
        {
            await browser.DisposeAsync();
            throw;
        }
        return browser;
    }

    /// <summary>Opens an address, as a person does by typing it.</summary>
    public Task OpenAsync(string url) => SendAsync("Page.navigate", new() { ["url"] = url });

    /// <summary>Opens an address, and waits until the page is loaded.</summary>
    public async Task LoadAsync(string url)
    {
        await SendAsync("Page.navigate", new() { ["url"] = url });
        await UntilAsync("document.readyState", "complete");
    }

    /// <summary>The value of a JavaScript expression in the page, as text; null while another page replaces it.</summary>
    public async Task<string?> ReadAsync(string expression)
    {
        var answer = await SendAsync("Runtime.evaluate", new() { ["expression"] = expression, ["returnByValue"] = true });
        return answer?["result"]?["value"]?.ToString();
    }

    /// <summary>Sets the size of the page in pixels, and its color scheme.</summary>
    public async Task ViewAsync(int width, int height, bool dark = false)
    {
        await SendAsync("Emulation.setDeviceMetricsOverride", new()
        {
            ["width"] = width, ["height"] = height, ["deviceScaleFactor"] = 1, ["mobile"] = false,
        });
        await SendAsync("Emulation.setEmulatedMedia", new()
        {
            // Without movement, so that what is measured at once is what stays.
            ["features"] = new JsonArray(
                new JsonObject { ["name"] = "prefers-color-scheme", ["value"] = dark ? "dark" : "light" },
                new JsonObject { ["name"] = "prefers-reduced-motion", ["value"] = "reduce" }),
        });
    }

    /// <summary>Whether pages may run scripts, from the next page on.</summary>
    public Task ScriptsAsync(bool isAllowed) => SendAsync("Emulation.setScriptExecutionDisabled", new() { ["value"] = !isAllowed });

    /// <summary>Presses and releases a key.</summary>
    /// <param name="key">The key's name in UI Events, such as <c>Tab</c>, <c>Enter</c> or a space.</param>
    public async Task PressAsync(string key)
    {
        var (code, text) = key switch { "Tab" => (9, ""), "Enter" => (13, "\r"), " " => (32, " "), _ => throw new ArgumentException(key) };
        foreach (var type in (string[])["keyDown", "keyUp"])
        {
            await SendAsync("Input.dispatchKeyEvent", new()
            {
                ["type"] = type, ["key"] = key, ["windowsVirtualKeyCode"] = code, ["text"] = type == "keyDown" ? text : "",
            });
        }
    }

    /// <summary>Writes a text where the focus is.</summary>
    public Task TypeAsync(string text) => SendAsync("Input.insertText", new() { ["text"] = text });

    /// <summary>
    /// Presses Tab until an element that matches a selector has the focus. On the way, every element with the focus must be visible, and
    /// show that it has it.
    /// </summary>
    public async Task TabToAsync(string selector)
    {
        for (var i = 0; i < 60; i++)
        {
            await PressAsync("Tab");
            var state = await ReadAsync($$"""
                (e => {
                  const isSeen = e === document.body || (e.checkVisibility() && getComputedStyle(e).outlineStyle !== 'none');
                  const place = e.matches({{System.Text.Json.JsonSerializer.Serialize(selector)}}) ? 'there' : 'elsewhere';
                  return isSeen ? place : place + ' unseen ' + e.outerHTML;
                })(document.activeElement)
                """);
            if (state == "there") return;
            if (state != "elsewhere")
                throw new InvalidOperationException($"expected a visible focus on the way to {selector}, got {state}");
        }
        var last = await ReadAsync("document.activeElement.outerHTML");
        throw new InvalidOperationException($"expected to reach {selector} with 60 times Tab, got to {last}");
    }

    /// <summary>Runs a script in each page from the next one on, before the page's own scripts, and outside of its policy.</summary>
    public async Task BeforeEachPageAsync(string script)
    {
        await SendAsync("Page.enable", []);
        await SendAsync("Page.addScriptToEvaluateOnNewDocument", new() { ["source"] = script });
    }

    /// <summary>Writes a picture of the page to a file, as PNG.</summary>
    /// <param name="whole">Whether to include what is below the window.</param>
    public async Task ShootAsync(string file, bool whole = true)
    {
        var shot = await SendAsync("Page.captureScreenshot", new() { ["format"] = "png", ["captureBeyondViewport"] = whole });
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        await File.WriteAllBytesAsync(file, Convert.FromBase64String((string)shot!["data"]!));
    }

    /// <summary>What axe-core finds on the page: one line for each problem.</summary>
    public async Task<string> AxeAsync()
    {
        var axe = await File.ReadAllTextAsync(Path.Combine(RigFolder.Root, "axe/axe.min.js"));
        await SendAsync("Runtime.evaluate", new() { ["expression"] = axe });
        const string Run = """
            axe.run().then(r => r.violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.html.slice(0, 200)} ${n.failureSummary}`)).join('\n'))
            """;
        var found = await SendAsync("Runtime.evaluate", new() { ["expression"] = Run, ["returnByValue"] = true, ["awaitPromise"] = true });
        return (string?)found?["result"]?["value"] ?? throw new InvalidOperationException($"axe-core did not run: {found}");
    }

    /// <summary>Waits until a JavaScript expression has a value.</summary>
    public async Task UntilAsync(string expression, string value)
    {
        var last = (string?)null;
        using var late = Patience.Limit(30);
        while ((last = await ReadAsync(expression)) != value)
        {
            if (late.IsCancellationRequested)
                throw new TimeoutException($"expected {expression} to be {value}, got {last}:\n{await TextAsync()}");
            await Task.Delay(50);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _page.Dispose();
        await _process.DisposeAsync();
        // Its child processes may still write while they end.
        for (var i = 0; i < 50 && Directory.Exists(_profile.Path); i++)
        {
            try
            {
                _profile.Dispose();
            }
            catch (IOException)
            {
                await Task.Delay(50);
            }
        }
    }

    private Task<string?> TextAsync() => ReadAsync("location.href + '\\n' + document.documentElement.innerText");

    private async Task ConnectAsync()
    {
        using var late = Patience.Limit(60);
        var file = _profile["DevToolsActivePort"];
        while (!File.Exists(file) || File.ReadAllLines(file).Length < 2)
        {
            if (late.IsCancellationRequested || _process.HasExited)
                throw new TimeoutException($"chromium did not start:\n{_process.Tail()}");
            await Task.Delay(50);
        }
        using var http = new HttpClient();
        var pages = await http.GetStringAsync(new Uri($"http://127.0.0.1:{File.ReadAllLines(file)[0]}/json/list"), late.Token);
        var page = JsonNode.Parse(pages)!.AsArray().First(target => (string?)target!["type"] == "page")!;
        await _page.ConnectAsync(new((string)page["webSocketDebuggerUrl"]!), late.Token);
    }

    private async Task<JsonNode?> SendAsync(string method, JsonObject parameters)
    {
        using var late = Patience.Limit(60);
        var id = ++_sent;
        var message = new JsonObject { ["id"] = id, ["method"] = method, ["params"] = parameters };
        await _page.SendAsync(Encoding.UTF8.GetBytes(message.ToJsonString()), WebSocketMessageType.Text, endOfMessage: true, late.Token);
        while (true)
        {
            var answer = JsonNode.Parse(await ReceiveAsync(late.Token))!;
            if ((int?)answer["id"] == id) return answer["result"];
        }
    }

    private async Task<string> ReceiveAsync(CancellationToken cancellationToken)
    {
        using var text = new MemoryStream();
        var buffer = new byte[16 * 1024];
        WebSocketReceiveResult received;
        do
        {
            received = await _page.ReceiveAsync(buffer, cancellationToken);
            text.Write(buffer, 0, received.Count);
        }
        while (!received.EndOfMessage);
        return Encoding.UTF8.GetString(text.ToArray());
    }
}
