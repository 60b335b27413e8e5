using Gateway.Configuration;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>What a person sees who opens the listening port in a browser.</summary>
public sealed class HomePageTests
{
    private static readonly (string, string)[] Browser =
    [
        ("User-Agent", "Mozilla/5.0"), ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"), ("Sec-Fetch-Site", "none"),
        ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"), ("Upgrade-Insecure-Requests", "1"),
    ];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Browser_on_the_listening_port_gets_a_page_without_a_login_and_the_same_for_everybody(bool asksForLogins)
    {
        await using var rig = await GatewayRig.StartAsync(
            options => options with { Access = asksForLogins ? new AccessOptions() : null });

        using var answer = await rig.SendAsync("GET", "/", null, Browser);
        using var head = await rig.SendAsync("HEAD", "/", null, Browser);
        using var other = await rig.SendAsync("GET", "/?x=%3Cscript%3E", null, [.. Browser, ("Referer", "http://x/<script>")]);
        using var write = await rig.SendAsync("POST", "/", new ByteArrayContent([]));

        Assert.Equal((200, 200, 405), ((int)answer.StatusCode, (int)head.StatusCode, (int)write.StatusCode));
        Assert.Equal("text/html; charset=utf-8", GatewayRig.Header(answer, "Content-Type"));
        Assert.Equal("default-src 'none'", GatewayRig.Header(answer, "Content-Security-Policy"));
        var page = await answer.Content.ReadAsStringAsync();
        Assert.Contains("This is a container registry", page, StringComparison.Ordinal);
        Assert.Equal(page, await other.Content.ReadAsStringAsync());
    }
}
