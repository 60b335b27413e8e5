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
    public void Loopback_listener_needs_no_access_section(string url) =>
        Assert.Equal(new Uri(url), Assert.Single(Yaml.Good($"listen: '{url}'").Listen).Url);

    [Theory]
    [InlineData("http://0.0.0.0:5000")]
    [InlineData("http://[::]:5000")]
    [InlineData("http://192.0.2.1:5000")]
    public void Any_other_address_needs_an_access_section(string url)
    {
        Assert.Contains("without an access section everyone who can reach", Yaml.Mistake($"listen: '{url}'"));
        Assert.Single(Yaml.Good($"listen: '{url}'\naccess: {{}}").Listen);
    }

    // Every way to say an address, by every way to say a listener.
    [Theory]
    [InlineData("listen: 'http://0:5000'")]
    [InlineData("listen: 'http://0x0.0:5000'")]
    [InlineData("listen: 'http://[::0]:5000'")]
    [InlineData("listen: 'http://[0:0::0]:5000'")]
    [InlineData("listen: 'http://[::ffff:0.0.0.0]:5000'")]
    [InlineData("listen: 'http://[::ffff:10.0.0.1]:5000'")]
    [InlineData("listen: 'http://[fe80::1]:5000'")]
    [InlineData("listen: 'http://128.0.0.1:5000'")]
    [InlineData("listen: 'http://126.255.255.255:5000'")]
    [InlineData("listen: ['http://127.0.0.1:5000', 'http://0.0.0.0:5002']")]
    [InlineData("listen: { url: 'http://0.0.0.0:5000' }")]
    [InlineData("listen: { url: 'http://0.0.0.0:5000', access: pull-only }")]
    [InlineData("listen: { url: 'http://0.0.0.0:5000', hosts: [localhost] }")]
    [InlineData("listen: [{ url: 'http://127.0.0.1:5000' }, { url: 'http://[::]:5002' }]")]
    [InlineData("", "GATEWAY__LISTEN", "http://0.0.0.0:5000")]
    [InlineData("", "GATEWAY__LISTEN__0", "http://0.0.0.0:5000")]
    [InlineData("listen: ['http://127.0.0.1:5000']", "GATEWAY__LISTEN__1", "http://0.0.0.0:5002")]
    [InlineData("listen: { url: 'http://127.0.0.1:5000' }", "GATEWAY__LISTEN__URL", "http://[::]:5000")]
    public void Only_loopback_in_any_notation_is_allowed_without_an_access_section(
        string text, string? name = null, string? value = null)
    {
        (string, string)[] environment = name is null ? [] : [(name, value!)];

        Assert.Contains("write access: { rules: …", Yaml.Mistake(text, environment), StringComparison.Ordinal);
        Yaml.Good(text, [.. environment, ("GATEWAY__ACCESS", "{ rules: [] }")]);
    }

    // What is no address is decided by a resolver, which may say anything.
    [Theory]
    [InlineData("http://localhost.:5000")]
    [InlineData("http://localhost.example:5000")]
    [InlineData("http://ip6-localhost:5000")]
    [InlineData("http://127.0.0.1.:5000")]
    [InlineData("http://127.0.0.1@0.0.0.0:5000")]
    [InlineData("http://+:5000")]
    [InlineData("unix:/run/gateway.sock")]
    public void Name_instead_of_an_address_is_refused_as_listener(string url) => Yaml.Mistakes($"listen: '{url}'\naccess: {{}}");

    [Fact]
    public void Empty_access_section_gives_no_rights() => Assert.Empty(Yaml.Good("access:\n").Access!.Rules);

    [Theory]
    [InlineData("listen: []", "listen: expected at least one address")]
    [InlineData("listen: http://*:5000", "for every interface write 0.0.0.0")]
    [InlineData("listen: http://registry.example.com:5000", "write an address, not a name")]
    [InlineData("listen: https://127.0.0.1:5000", "https needs tls")]
    [InlineData("listen: 5000", "expected a URL with an IP address or localhost")]
    [InlineData("listen: [http://127.0.0.1:80, http://127.0.0.1:80]", "listen[1]: port 80 of this address is used by an earlier listener")]
    [InlineData("listen: [http://127.0.0.1:80, http://localhost:80]", "listen[1]: port 80 of this address is used by an earlier listener")]
    [InlineData("listen: http://127.0.0.1:5001", "operator: port 5001 is used by listen")]
    [InlineData("operator: http://0.0.0.0:5001", "operator: without a token everyone who can reach '0.0.0.0' administers the gateway; write operator: { url: http://0.0.0.0:5001, tokenFile:")]
    [InlineData("operator: { url: 'http://[::]:5001' }", "operator: without a token everyone who can reach '[::]'")]
    [InlineData("operator: https://127.0.0.1:5001", "operator: https needs tls")]
    [InlineData("operator: { tokenFile: /nowhere }", "operator.tokenFile: expected the path of a file with a token")]
    [InlineData(
        "tls: { certificate: /nowhere, key: /nowhere }\nlisten: http://127.0.0.1:1",
        "tls.certificate: expected the path of a file that can be read")]
    public void Unusable_listener_address_is_reported(string text, string expected) =>
        Assert.Contains(Yaml.Mistakes(text), mistake => mistake.Contains(expected, StringComparison.Ordinal));

    [Theory]
    [InlineData("0123456789abcdef\n", null)]
    [InlineData("0123456789abcde", "expected a token of at least 16 printable characters")]
    [InlineData("0123456789 abcdef", "expected a token of at least 16 printable characters")]
    public void Operator_port_off_loopback_needs_a_token(string token, string? mistake)
    {
        var file = Path.GetTempFileName();
        File.WriteAllText(file, token);
        var text = $"operator: {{ url: 'http://0.0.0.0:5001', tokenFile: {file} }}";

        if (mistake is null) Assert.Equal(file, Yaml.Good(text).Operator.TokenFile);
        else Assert.Contains(mistake, Yaml.Mistake(text), StringComparison.Ordinal);
        if (mistake is not null) Assert.DoesNotContain(token, Yaml.Mistake(text), StringComparison.Ordinal);
        File.Delete(file);
    }

    [Fact]
    public void Key_of_another_certificate_and_client_keys_without_authorities_are_reported()
    {
        using var authority = new Registry.TestAuthority();
        authority.WriteServer();
        authority.WriteServer("other.pem", "other.key");
        string Tls(string rest) => $"listen: https://127.0.0.1:5443\ntls: {{ certificate: {authority["cert.pem"]}, {rest} }}";

        Assert.Contains("the private key that belongs to it", Yaml.Mistake(Tls($"key: {authority["other.key"]}")));
        Assert.Contains(
            "tls.clientCertificates: has no effect without clientAuthorities",
            Yaml.Mistake(Tls($"key: {authority["key.pem"]}, clientCertificates: require")));
        Assert.Contains(
            "tls.clientAuthorities: expected certificates in PEM",
            Yaml.Mistake(Tls($"key: {authority["key.pem"]}, clientAuthorities: {authority["key.pem"]}")));
        var known = Tls($"key: {authority["key.pem"]}, clientAuthorities: {authority["ca.pem"]}");
        const string Rule = "\naccess: { rules: [{ actors: ['cert:*'], repositories: ['**'], actions: [pull] }] }";
        Assert.True(Yaml.Good(known + Rule).AsksForCertificates);
        Assert.Contains("but none is requested", Yaml.Mistake(Tls($"key: {authority["key.pem"]}") + Rule));
    }

    [Fact]
    public void Listener_can_be_pull_only_and_limited_to_hosts()
    {
        var listener = Assert.Single(
            Yaml.Good("listen: { url: 'http://127.0.0.1:5000', access: pull-only, hosts: [mirror.example] }").Listen);

        Assert.True(listener.PullOnly);
        Assert.Equal(["mirror.example"], listener.Hosts);
    }
}
