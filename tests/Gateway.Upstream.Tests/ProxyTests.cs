using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>An upstream behind an HTTP proxy. The scripted upstream acts as the proxy: it answers requests with absolute targets.</summary>
public sealed class ProxyTests : UpstreamTest
{
    private static readonly Uri Registry = new("http://registry.invalid");

    private RegistryOptions Proxied => OptionsFor(Hub) with { Urls = [Registry], Proxy = Hub.Url };

    [Fact]
    public async Task Upstream_without_local_address_is_reached_through_the_proxy()
    {
        var upstream = await BuildAsync(Proxied);
        Assert.Equal(Image.Manifest, await ReadAsync(await upstream.SendAsync(Manifest(), default)));
        Assert.Equal(Layer[10..21], await ReadAsync(await upstream.SendAsync(Blob((10, 20)), default)));
        Assert.All(Hub.Requests, r => Assert.Equal("registry.invalid", r.Host));
    }

    [Fact]
    public async Task Tokens_are_fetched_through_the_proxy()
    {
        Hub.RequireToken();
        Hub.When(r => r.IsAnyManifest && r.Authorization is null)
            .Challenge("Bearer realm=\"http://registry.invalid/token\",service=\"scripted\"");
        Assert.Equal(Image.Manifest, await ReadAsync(await (await BuildAsync(Proxied)).SendAsync(Manifest(), default)));
        Assert.Equal("registry.invalid", Assert.Single(Hub.Requests, r => r.IsToken).Host);
    }

    [Fact]
    public async Task Redirect_to_a_private_address_is_refused_behind_a_proxy()
    {
        Hub.When(r => r.IsAnyBlob).Redirect(new Uri("http://169.254.169.254/latest"));
        Assert.Equal(UpstreamFailure.Misbehaving, (await FailureOfAsync(await BuildAsync(Proxied), Blob())).Failure);
        Assert.Single(Hub.Requests);
    }

    [Fact]
    public async Task Unreachable_proxy_makes_the_upstream_unavailable()
    {
        await Hub.DisposeAsync();
        Assert.Equal(UpstreamFailure.Unavailable, (await FailureOfAsync(await BuildAsync(Proxied), Manifest())).Failure);
    }

    [Fact]
    public async Task Proxy_of_the_environment_is_ignored()
    {
        var other = await StartAsync("127.0.0.2");
        other.When(_ => true).Respond(500);
        using var handler = UpstreamHandler.Create(OptionsFor(Hub), new(OptionsFor(Hub)), System.Net.Dns.GetHostAddressesAsync);
        Assert.False(handler.UseProxy);
        Assert.Equal(Image.Manifest, await ReadAsync(await (await BuildAsync()).SendAsync(Manifest(), default)));
        Assert.Empty(other.Requests);
    }
}
