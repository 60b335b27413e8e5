using System.Net;
using System.Text;
using System.Text.Json;
using Gateway.Configuration;
using Gateway.Registry;
using Gateway.Tests.Access;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>Proxies before the gateway: what is believed of whom, and what follows from it.</summary>
public sealed class TrustedProxyTests
{
    private static readonly IPNetwork[] Proxies = [IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("2001:db8:1::/48")];

    [Theory]
    // One proxy.
    [InlineData("10.0.0.1", "X-Forwarded-For: 192.0.2.7", "192.0.2.7", null, null)]
    [InlineData("::ffff:10.0.0.1", "X-Forwarded-For: 192.0.2.7", "192.0.2.7", null, null)]
    [InlineData(
        "10.0.0.1", "X-Forwarded-For: [2001:db8::7]:4711|X-Forwarded-Proto: HTTPS|X-Forwarded-Host: R.example:5443",
        "2001:db8::7", "https", "r.example:5443")]
    [InlineData("10.0.0.1", "Forwarded: for=192.0.2.7;proto=https;host=r.example", "192.0.2.7", "https", "r.example")]
    [InlineData(
        "10.0.0.1", "Forwarded: FOR=\"[2001:db8::7]:4711\" ; Proto=https; host=\"r.example:5443\"", "2001:db8::7",
        "https", "r.example:5443")]
    [InlineData("2001:db8:1::1", "X-Forwarded-Proto: https", null, "https", null)]
    // Nobody's word but a proxy's.
    [InlineData("192.0.2.1", "X-Forwarded-For: 192.0.2.7|X-Forwarded-Proto: https|Forwarded: for=192.0.2.7", null, null, null)]
    [InlineData("2001:db8:2::1", "X-Forwarded-For: 192.0.2.7", null, null, null)]
    // What a client wrote stands before what its proxy added.
    [InlineData(
        "10.0.0.1",
        "X-Forwarded-For: 198.51.100.1, 192.0.2.7|X-Forwarded-Proto: https, http|X-Forwarded-Host: evil.example, r.example",
        "192.0.2.7", "http", "r.example")]
    [InlineData(
        "10.0.0.1", "Forwarded: for=198.51.100.1;proto=https;host=evil.example, for=192.0.2.7;proto=http", "192.0.2.7",
        "http", null)]
    [InlineData("10.0.0.1", "X-Forwarded-For: 10.9.9.9, 192.0.2.7", "192.0.2.7", null, null)]
    // Two proxies: the outer one met the client.
    [InlineData(
        "10.0.0.1", "X-Forwarded-For: 198.51.100.1, 192.0.2.7, 10.0.0.2|X-Forwarded-Proto: https, http", "192.0.2.7",
        "https", null)]
    [InlineData(
        "10.0.0.1",
        "Forwarded: for=192.0.2.7;proto=https;host=r.example|Forwarded: for=10.0.0.2;proto=http;host=inner",
        "192.0.2.7", "https", "r.example")]
    // What is no address, scheme or host says nothing.
    [InlineData("10.0.0.1", "X-Forwarded-For: unknown|X-Forwarded-Proto: gopher|X-Forwarded-Host: a/b", null, null, null)]
    [InlineData("10.0.0.1", "X-Forwarded-For: 7|X-Forwarded-Host: u@evil.example", null, null, null)]
    [InlineData("10.0.0.1", "Forwarded: for=_hidden;proto=https", null, "https", null)]
    [InlineData("10.0.0.1", "Forwarded: for=\"a,b;c\";;=,proto", null, null, null)]
    [InlineData("10.0.0.1", "X-Forwarded-For: ", null, null, null)]
    // Both kinds, of one mind.
    [InlineData("10.0.0.1", "X-Forwarded-For: 192.0.2.7|Forwarded: for=192.0.2.7;proto=https", "192.0.2.7", "https", null)]
    public void Trusted_proxy_sets_client_scheme_and_host(string peer, string headers, string? client, string? scheme, string? host) =>
        Assert.Equal(
            new Forwarded(client is null ? null : IPAddress.Parse(client), scheme, host),
            ForwardedHeaders.Read(IPAddress.Parse(peer), Headers(headers), [.. Proxies]));

    [Theory]
    [InlineData("X-Forwarded-For: 192.0.2.7|Forwarded: for=198.51.100.1")]
    [InlineData("X-Forwarded-Proto: http|Forwarded: proto=https")]
    [InlineData("X-Forwarded-Host: r.example|Forwarded: host=evil.example")]
    public void Contradictory_proxy_headers_are_refused(string headers) =>
        Assert.Null(ForwardedHeaders.Read(IPAddress.Parse("10.0.0.1"), Headers(headers), [.. Proxies]));

    /// <summary>What a client writes before its proxy's own part hides nothing of that part (RFC 7239, 8.1).</summary>
    [Theory]
    [InlineData("X-Forwarded-For: \"|X-Forwarded-For: 192.0.2.7", "192.0.2.7")]
    [InlineData("X-Forwarded-For: 198.51.100.1, \", 192.0.2.7", "192.0.2.7")]
    [InlineData("X-Forwarded-For: \"\\, 192.0.2.7", "192.0.2.7")]
    [InlineData("Forwarded: for=198.51.100.1;host=\"evil.example\", for=192.0.2.7", "192.0.2.7")]
    public void Open_quote_of_the_client_does_not_hide_the_proxys_element(string headers, string client) =>
        Assert.Equal(
            new Forwarded(IPAddress.Parse(client), null, null),
            ForwardedHeaders.Read(IPAddress.Parse("10.0.0.1"), Headers(headers), [.. Proxies]));

    [Theory]
    [InlineData("Forwarded: for=198.51.100.1;proto=https;host=evil.example;x=\"|Forwarded: for=192.0.2.7;proto=http")]
    [InlineData("Forwarded: for=198.51.100.1;x=\", for=\"[2001:db8::7]:4711\"")]
    [InlineData("Forwarded: for=198.51.100.1;x=\"\\\", for=192.0.2.7;host=\"r.example\"")]
    [InlineData("Forwarded: for=198.51.100.1;x=\", for=192.0.2.7|X-Forwarded-For: 198.51.100.1, 192.0.2.7")]
    public void Unclosed_quote_is_refused_from_any_proxy(string headers) =>
        Assert.Null(ForwardedHeaders.Read(IPAddress.Parse("10.0.0.1"), Headers(headers), [.. Proxies]));

    [Fact]
    public async Task Realm_logs_and_hosts_use_the_client_and_not_the_proxy()
    {
        await using var rig = await StartAsync(o => o with { TrustedProxies = [IPNetwork.Parse("127.0.0.0/8")] });

        using var answer = await rig.SendAsync(
            "GET", "/v2/", null, ("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "r.example"));
        using var torn = await rig.SendAsync("GET", "/v2/", null, ("X-Forwarded-For", "192.0.2.7"), ("Forwarded", "for=192.0.2.8"));

        Assert.Equal("Bearer realm=\"https://r.example/token\",service=\"r.example\"", GatewayRig.Header(answer, "WWW-Authenticate"));
        Assert.Equal(400, (int)torn.StatusCode);
        await rig.StopAsync();
        var line = Encoding.UTF8.GetString(rig.AccessLog.ToArray()).Split('\n')[0];
        using var record = JsonDocument.Parse(line);
        Assert.Equal(
            ("192.0.2.7", true),
            (record.RootElement.GetProperty("remote").GetString(), record.RootElement.GetProperty("tls").GetBoolean()));
    }

    [Theory]
    [InlineData("", "", "http://127.0.0.1:", "Forwarded", "proto=https;host=r.example")]
    [InlineData("", "https://public.example", "https://public.example/token", "Host", "inner")]
    [InlineData("127.0.0.1", "https://public.example", "https://public.example/token", "X-Forwarded-Proto", "http")]
    [InlineData("127.0.0.1", "https://public.example", "https://r.example/token", "X-Forwarded-Host", "r.example")]
    [InlineData("127.0.0.1", "", "https://r.example/token", "Forwarded", "proto=https;host=r.example")]
    [InlineData("127.0.0.1", "", "http://inner/token", "Host", "inner")]
    public async Task Realm_uses_the_trusted_proxy_then_publicUrl_then_Host(
        string proxies, string publicUrl, string realm, string header, string value)
    {
        await using var rig = await StartAsync(o => o with
        {
            TrustedProxies = proxies.Length == 0 ? [] : [new(IPAddress.Parse(proxies), 32)],
            PublicUrl = publicUrl.Length == 0 ? null : new(publicUrl),
        });
        using var answer = await rig.SendAsync("GET", "/v2/", null, (header, value));
        Assert.StartsWith($"Bearer realm=\"{realm}", GatewayRig.Header(answer, "WWW-Authenticate"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Empty_Host_uses_the_address_of_the_connection()
    {
        await using var rig = await StartAsync(o => o);
        var answer = await RawAsync(rig.Url, "GET /v2/ HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n");
        Assert.Contains($"realm=\"http://127.0.0.1:{rig.Url.Port}/token\"", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Page_under_a_trusted_name_cannot_claim_another_name()
    {
        await using var rig = await GatewayRig.StartAsync(o => o with { TrustedProxies = [IPNetwork.Parse("127.0.0.0/8")] });
        using var answer = await rig.SendAsync("GET", "/v2/", null, ("Host", "evil.example"), ("X-Forwarded-Host", "localhost"));
        Assert.Equal(421, (int)answer.StatusCode);
    }

    [Fact]
    public async Task Trusted_proxy_is_exempt_from_the_limit_of_one_client()
    {
        await using var rig = await GatewayRig.StartAsync(o => o with
        {
            TrustedProxies = [IPNetwork.Parse("127.0.0.1/32")], Limits = new() { ConnectionsPerAddress = 1 },
        });
        using var one = new HttpClient { BaseAddress = rig.Url };
        using var other = new HttpClient { BaseAddress = rig.Url };
        Assert.Equal("{}", await one.GetStringAsync(new Uri("/v2/", UriKind.Relative)));
        Assert.Equal("{}", await other.GetStringAsync(new Uri("/v2/", UriKind.Relative)));
    }

    private static Task<GatewayRig> StartAsync(Func<GatewayOptions, GatewayOptions> configure) =>
        GatewayRig.StartAsync(o => configure(o with { Access = new() { Rules = [new(["ci"], ["**"], AccessActions.All)] } }));

    private static HeaderDictionary Headers(string text)
    {
        var headers = new HeaderDictionary();
        foreach (var line in text.Split('|'))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            headers.Append(line[..colon], line[(colon + 1)..].Trim());
        }
        return headers;
    }

    private static async Task<string> RawAsync(Uri url, string request)
    {
        using var client = new System.Net.Sockets.TcpClient();
        await client.ConnectAsync(url.Host, url.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request));
        using var answer = new StreamReader(client.GetStream());
        return await answer.ReadToEndAsync();
    }
}
