using Gateway.BlackBox.Rig;
using Scripted;

namespace Gateway.BlackBox;

/// <summary>The web application of a registry behind the gateway, used in a real browser.</summary>
public sealed class WebTests
{
    private const string Host = "registry.corp.example";

    /// <summary>
    /// Over https, the browser uses HTTP/2, with WebSockets by extended CONNECT. With <c>host: client</c>, redirects and cookies have the
    /// name that the application received from the client; with <c>upstream</c>, the gateway rewrites them.
    /// </summary>
    [Theory]
    [InlineData(false, "forward")]
    [InlineData(false, "{ host: client }")]
    [InlineData(true, "forward")]
    public async Task Browser_logs_in_and_the_page_uses_its_WebSocket(bool https, string web)
    {
        await using var application = await SampleApplication.StartAsync();
        using var folder = new TempFolder();
        await using var gateway = await GatewayProcess.StartAsync(
            $$"""
            upstreams: { corp: { url: "{{application.Url.GetLeftPart(UriPartial.Authority)}}" } }
            routes: [{ prefix: "", upstream: corp, hosts: [{{Host}}], web: {{web}} }]
            """,
            authority: https ? new Authority(folder) : null);
        var origin = $"{(https ? "https" : "http")}://{Host}:{gateway.Host.Split(':')[1]}";
        await using var browser = await Browser.StartAsync(Host);

        await browser.OpenAsync(origin);
        await browser.UntilAsync("document.title", "Log in");
        Assert.Equal($"{origin}/login", await browser.ReadAsync("location.href"));
        await browser.ReadAsync("document.querySelector('[name=password]').value = 'secret'; document.querySelector('button').click()");

        await browser.UntilAsync("document.title", "Home");
        await browser.UntilAsync("document.getElementById('echo').textContent", $"echo from {new Uri(origin).Authority}");
        Assert.Equal($"{origin}/", await browser.ReadAsync("location.href"));
        // The page's script cannot use the registry API in the person's name. Over http, browsers do not mark requests of scripts.
        await browser.UntilAsync("document.getElementById('registry').textContent", https ? "registry 403" : "registry 200");
        Assert.DoesNotContain(application.Requests, request => request.Path.StartsWith("/v2", StringComparison.Ordinal));
        // A person that opens the address in the browser's own window sees the gateway's answer.
        await browser.OpenAsync($"{origin}/v2/");
        await browser.UntilAsync("document.body.innerText", "{}");
    }
}
