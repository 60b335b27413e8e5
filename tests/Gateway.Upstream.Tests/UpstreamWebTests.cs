using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>Web requests share an upstream's endpoints and their health with fetches.</summary>
public sealed class UpstreamWebTests : UpstreamTest
{
    [Fact]
    public async Task Breaker_that_web_requests_opened_stops_fetches()
    {
        await using var all = await BuildAllAsync(OptionsFor(Hub));
        var web = all.WebOf("hub");
        for (var i = 0; i < 3; i++) web.Failed(Assert.Single(web.Endpoints()), "no connection could be made");

        Assert.Empty(web.Endpoints());
        var failure = await FailureOfAsync(all["hub"], Manifest());
        Assert.Contains("failed several times", failure.Message, StringComparison.Ordinal);
        Assert.Empty(Hub.Requests);

        Clock.Advance(TimeSpan.FromSeconds(20));
        web.Answered(Assert.Single(web.Endpoints()));
        await using var answer = await all["hub"].SendAsync(Manifest(), default);
        Assert.Equal(200, answer.Status);
    }

    [Fact]
    public async Task Second_endpoint_is_used_while_the_breaker_of_the_first_is_open()
    {
        var second = await StartAsync("127.0.0.2");
        await using var all = await BuildAllAsync(OptionsFor(Hub, second));
        var web = all.WebOf("hub");
        for (var i = 0; i < 3; i++) web.Failed(web.Endpoints().First(), "no connection could be made");
        Assert.Equal(second.Url, Assert.Single(web.Endpoints()));
    }

    [Fact]
    public async Task Reload_keeps_the_connections_of_an_upstream_that_did_not_change()
    {
        await using var all = await BuildAllAsync(OptionsFor(Hub));
        var before = all.WebOf("hub");
        await all.ReloadAsync([OptionsFor(Hub)]);
        Assert.Same(before, all.WebOf("hub"));
        await all.ReloadAsync([OptionsFor(Hub) with { Redirects = ["a"] }]);
        Assert.NotSame(before, all.WebOf("hub"));
    }

    [Fact]
    public void Services_start_nothing_that_writes_keys()
    {
        var services = new ServiceCollection().AddGatewayUpstreams();
        var starters = services.Where(s => s.ServiceType == typeof(IHostedService)).Select(s => s.ImplementationType?.Assembly);
        Assert.DoesNotContain(typeof(IDataProtectionBuilder).Assembly, starters);
    }
}
