using Gateway.Web;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Gateway.Tests.Web;

/// <summary>What is rewritten in the headers of an upstream's web application.</summary>
public sealed class WebHeadersTests
{
    private const string BaseUrl = "https://registry.corp.example";

    private static readonly string[] Hosts = ["10.0.0.5:8080", "harbor.internal.example"];

    [Theory]
    [InlineData("http://10.0.0.5:8080/login", $"{BaseUrl}/login")]
    [InlineData("http://10.0.0.5:8080", $"{BaseUrl}/")]
    [InlineData("http://10.0.0.5:8080?a=//b", $"{BaseUrl}/?a=//b")]
    [InlineData(
        "https://HARBOR.internal.example:443/c/oidc?x=http://harbor.internal.example/",
        $"{BaseUrl}/c/oidc?x=http://harbor.internal.example/")]
    [InlineData("//harbor.internal.example/x#y", $"{BaseUrl}/x#y")]
    [InlineData("/login", "/login")]
    [InlineData("login?next=//harbor.internal.example/", "login?next=//harbor.internal.example/")]
    [InlineData("http://10.0.0.5/login", "http://10.0.0.5/login")]
    [InlineData("https://sso.example/auth", "https://sso.example/auth")]
    [InlineData("https://harbor.internal.example@evil.example/", "https://harbor.internal.example@evil.example/")]
    [InlineData("ftp://harbor.internal.example/", "ftp://harbor.internal.example/")]
    public void Location_at_the_upstream_leads_to_the_gateway(string location, string expected) =>
        Assert.Equal(expected, WebHeaders.LocationOf(location, BaseUrl, Hosts));

    [Theory]
    [InlineData("a=b; Path=/; Domain=harbor.internal.example; Secure", "a=b; Path=/; Secure")]
    [InlineData("a=b;domain=.internal.example", "a=b")]
    [InlineData("a=b; Domain=10.0.0.5; Path=/c", "a=b; Path=/c")]
    [InlineData("a=b; Domain=corp.example", "a=b; Domain=corp.example")]
    [InlineData("a=b; Domain=.registry.corp.example", "a=b; Domain=.registry.corp.example")]
    [InlineData("a=b; Domain=other.example", "a=b; Domain=other.example")]
    [InlineData("Domain=harbor.internal.example; Path=/", "Domain=harbor.internal.example; Path=/")]
    public void Cookie_for_the_upstreams_domain_becomes_the_hosts_own(string cookie, string expected) =>
        Assert.Equal(expected, WebHeaders.CookieOf(cookie, "registry.corp.example", Hosts));

    [Fact]
    public void Other_ways_to_the_upstream_are_removed()
    {
        var headers = new HeaderDictionary
        {
            ["Alt-Svc"] = "h3=\":443\"", ["X-Accel-Redirect"] = "/internal", ["Location"] = "http://10.0.0.5:8080/x", ["ETag"] = "\"1\"",
        };
        WebHeaders.Rewrite(headers, BaseUrl, Hosts);
        Assert.Equal(["ETag", "Location"], headers.Keys.Order());
    }
}
