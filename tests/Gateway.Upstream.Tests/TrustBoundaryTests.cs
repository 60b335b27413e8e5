using System.Net;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>The decisions of the trust boundary.</summary>
public sealed class TrustBoundaryTests
{
    private static readonly TrustBoundary Boundary = new(new RegistryOptions
    {
        Key = "hub",
        Urls = [new("https://registry.example")],
        Realms = [new("https://auth.example")],
        Redirects = ["*.cdn.example", "storage.internal:9000"],
    });

    [Theory]
    [InlineData("https://registry.example/token", "Credentials")]
    [InlineData("https://REGISTRY.example:443/token", "Credentials")]
    [InlineData("https://auth.example/token?a=b", "Credentials")]
    [InlineData("https://registry.example:8443/token", "Anonymous")]
    [InlineData("https://other.example/token", "Anonymous")]
    [InlineData("https://sub.auth.example/token", "Anonymous")]
    [InlineData("http://registry.example/token", "Refused")]
    [InlineData("http://auth.example/token", "Refused")]
    [InlineData("https://me:pw@registry.example/token", "Refused")]
    [InlineData("https://127.0.0.1/token", "Refused")]
    [InlineData("https://[::1]/token", "Refused")]
    [InlineData("https://169.254.169.254/latest", "Refused")]
    [InlineData("https://2130706433/token", "Refused")]
    [InlineData("ftp://registry.example/token", "Refused")]
    public void Configuration_determines_what_a_realm_receives(string realm, string expected) =>
        Assert.Equal(expected, Boundary.TrustOf(new("https://registry.example"), new(realm)).ToString());

    [Theory]
    [InlineData("registry.example", 443, true)]
    [InlineData("registry.example", 8443, false)]
    [InlineData("auth.example", 443, true)]
    [InlineData("a.cdn.example", 80, true)]
    [InlineData("cdn.example", 80, false)]
    [InlineData("acdn.example", 80, false)]
    [InlineData("storage.internal", 9000, true)]
    [InlineData("storage.internal", 22, false)]
    public void Only_configured_hosts_can_have_a_private_address(string host, int port, bool expected) =>
        Assert.Equal(expected, Boundary.MayBePrivate(host, port));
}
