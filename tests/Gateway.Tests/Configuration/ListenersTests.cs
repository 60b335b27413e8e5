using Xunit;

namespace Gateway.Tests.Configuration;

public sealed class ListenersTests
{
    [Theory]
    [InlineData("http://127.0.0.1:5000")]
    [InlineData("http://127.0.0.1:0")]
    [InlineData("http://localhost:5000")]
    [InlineData("http://[::1]:5000")]
    [InlineData("http://127.8.9.1:5000")]
    public void Loopback_needs_no_access_section(string url) =>
        Assert.Equal(new Uri(url), Assert.Single(Yaml.Good($"listen: '{url}'").Listen).Url);

    [Theory]
    [InlineData("http://0.0.0.0:5000")]
    [InlineData("http://[::]:5000")]
    [InlineData("http://192.0.2.1:5000")]
    public void Any_other_address_does(string url)
    {
        Assert.Contains("without an access section everybody who reaches", Yaml.Mistake($"listen: '{url}'"));
        Assert.Single(Yaml.Good($"listen: '{url}'\naccess: {{}}").Listen);
    }

    [Fact]
    public void Empty_access_section_is_one_in_which_nobody_may_anything() => Assert.Empty(Yaml.Good("access:\n").Access!.Rules);

    [Theory]
    [InlineData("listen: []", "listen: expected at least one address")]
    [InlineData("listen: http://*:5000", "for every interface write 0.0.0.0")]
    [InlineData("listen: http://registry.example.com:5000", "a name is not an address")]
    [InlineData("listen: https://127.0.0.1:5000", "https needs tls")]
    [InlineData("listen: 5000", "expected a URL with an IP address or localhost")]
    [InlineData("listen: [http://127.0.0.1:80, http://127.0.0.1:80]", "listen[1]: port 80 of this address is taken by an earlier listener")]
    [InlineData("listen: [http://127.0.0.1:80, http://localhost:80]", "listen[1]: port 80 of this address is taken by an earlier listener")]
    [InlineData("listen: http://127.0.0.1:5001", "operator: port 5001 is taken by listen")]
    [InlineData("operator: http://0.0.0.0:5001", "operator: expected a loopback address, '0.0.0.0' came")]
    [InlineData("operator: https://127.0.0.1:5001", "operator: expected an http URL")]
    [InlineData("tls: { certificate: /nowhere, key: /nowhere }\nlisten: http://127.0.0.1:1", "tls.certificate: expected the path of a file that can be read")]
    public void Address_that_cannot_be_listened_on_is_told(string text, string expected) =>
        Assert.Contains(Yaml.Mistakes(text), mistake => mistake.Contains(expected, StringComparison.Ordinal));

    [Fact]
    public void Listener_may_be_pull_only_and_answer_to_some_hosts()
    {
        var listener = Assert.Single(
            Yaml.Good("listen: { url: 'http://127.0.0.1:5000', access: pull-only, hosts: [mirror.example] }").Listen);

        Assert.True(listener.PullOnly);
        Assert.Equal(["mirror.example"], listener.Hosts);
    }
}
