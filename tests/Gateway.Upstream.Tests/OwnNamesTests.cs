using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>A registry behind the gateway whose responses still contain its external name, which now leads to the gateway.</summary>
public sealed class OwnNamesTests : UpstreamTest
{
    private const string Own = "registry.corp.example";

    private RegistryOptions Options => OptionsFor(Hub) with { OwnNames = [Own] };

    [Fact]
    public async Task Token_server_under_an_own_name_is_reached_at_the_endpoint_with_credentials()
    {
        var access = Hub.RequireToken();
        (access.Username, access.Password) = ("gateway", "secret");
        Hub.When(r => r.IsAnyManifest && r.Authorization is null).Challenge($"Bearer realm=\"https://{Own}/token\",service=\"scripted\"");
        var upstream = await BuildAsync(Options with { Credentials = [new() { Username = "gateway", Password = "secret" }] });
        await using var answer = await upstream.SendAsync(Manifest(), default);
        Assert.Equal(200, answer.Status);
        Assert.StartsWith("Basic ", Assert.Single(Hub.Requests, r => r.IsToken).Authorization, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Redirect_to_an_own_name_is_followed_at_the_endpoint()
    {
        var path = $"/v2/{Name}/manifests/{Image.Digest}";
        Hub.When(r => r.Path.EndsWith("/manifests/latest", StringComparison.Ordinal)).Redirect(new($"https://{Own}{path}"));
        await using var answer = await (await BuildAsync(Options)).SendAsync(Manifest(), default);
        Assert.Equal(200, answer.Status);
        Assert.Equal(path, Hub.Requests[^1].Path);
    }

    [Theory]
    [InlineData("https://registry.corp.example/x?y=z", "{0}x?y=z")]
    [InlineData("http://REGISTRY.corp.example:8080//x", "{0}/x")]
    [InlineData("https://a@registry.corp.example/x", "https://a@registry.corp.example/x")]
    [InlineData("https://other.example/x", "https://other.example/x")]
    public void Address_under_an_own_name_resolves_to_the_endpoint(string named, string expected)
    {
        var resolved = new TrustBoundary(Options).Resolve(Hub.Url, new Uri(named));
        Assert.Equal(string.Format(System.Globalization.CultureInfo.InvariantCulture, expected, Hub.Url), resolved.ToString());
    }
}
