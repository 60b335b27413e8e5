using System.Net;
using Xunit;

namespace Gateway.Upstream.Tests;

/// <summary>The judgements of the trust boundary, case by case.</summary>
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
    public void A_realm_is_judged_by_what_the_operator_wrote(string realm, string expected) =>
        Assert.Equal(expected, Boundary.Judge(new("https://registry.example"), new(realm)).ToString());

    [Theory]
    [InlineData("registry.example", 443, true)]
    [InlineData("registry.example", 8443, false)]
    [InlineData("auth.example", 443, true)]
    [InlineData("a.cdn.example", 80, true)]
    [InlineData("cdn.example", 80, false)]
    [InlineData("acdn.example", 80, false)]
    [InlineData("storage.internal", 9000, true)]
    [InlineData("storage.internal", 22, false)]
    public void Only_named_hosts_may_have_a_private_address(string host, int port, bool expected) =>
        Assert.Equal(expected, Boundary.MayBePrivate(host, port));

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("10.1.2.3")]
    [InlineData("172.16.0.1")]
    [InlineData("172.31.255.255")]
    [InlineData("192.168.0.1")]
    [InlineData("169.254.169.254")]
    [InlineData("100.64.0.1")]
    [InlineData("0.0.0.0")]
    [InlineData("192.0.0.192")]
    [InlineData("198.18.0.1")]
    [InlineData("224.0.0.1")]
    [InlineData("255.255.255.255")]
    [InlineData("::")]
    [InlineData("::1")]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("::127.0.0.1")]
    [InlineData("64:ff9b::7f00:1")]
    [InlineData("2002:7f00:1::")]
    [InlineData("2001::1")]
    [InlineData("fe80::1")]
    [InlineData("fd00:ec2::254")]
    [InlineData("ff02::1")]
    public void These_addresses_are_not_the_public_Internet(string address) =>
        Assert.True(TrustBoundary.IsPrivate(IPAddress.Parse(address)));

    [Theory]
    [InlineData("1.1.1.1")]
    [InlineData("172.15.0.1")]
    [InlineData("172.32.0.1")]
    [InlineData("100.128.0.1")]
    [InlineData("192.169.0.1")]
    [InlineData("2606:4700::1111")]
    [InlineData("2001:4860:4860::8888")]
    public void These_are(string address) => Assert.False(TrustBoundary.IsPrivate(IPAddress.Parse(address)));
}
