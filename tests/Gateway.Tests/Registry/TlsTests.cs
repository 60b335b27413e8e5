using System.Net;
using Gateway.Commands;
using Gateway.Configuration;
using Gateway.Registry;
using Gateway.Tests.Access;
using Gateway.Tests.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Tests.Registry;

public sealed class TlsTests : IDisposable
{
    private readonly TestAuthority _authority = new();

    public void Dispose() => _authority.Dispose();

    private TlsOptions Files => new(_authority["cert.pem"], _authority["key.pem"]);

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task Https_speaks_both_versions_of_http(string version)
    {
        _authority.WriteServer();
        await using var rig = await StartAsync();
        using var client = _authority.Client();

        using var answer = await client.SendAsync(Request(new(rig.Url, "/v2/"), version));
        Assert.Equal((HttpStatusCode.OK, Version.Parse(version)), (answer.StatusCode, answer.Version));
    }

    [Fact]
    public async Task Cleartext_speaks_http_2_by_prior_knowledge_where_asked_for_and_http_1_elsewhere()
    {
        await using var rig = await GatewayRig.StartAsync(o => o with
        {
            Listen = [new() { Url = new("http://127.0.0.1:0") }, new() { Url = new("http://127.0.0.1:0"), Http2 = true }],
        });
        using var client = new HttpClient();

        using var plain = await client.SendAsync(Request(new(rig.Listening[0], "/v2/"), "1.1"));
        using var prior = await client.SendAsync(Request(new(rig.Listening[1], "/v2/"), "2.0"));
        Assert.Equal((HttpStatusCode.OK, HttpVersion.Version20), (prior.StatusCode, prior.Version));
        Assert.Equal(HttpStatusCode.OK, plain.StatusCode);
        await Assert.ThrowsAsync<HttpRequestException>(() => client.SendAsync(Request(new(rig.Listening[0], "/v2/"), "2.0")));
        using var other = await client.SendAsync(Request(new(rig.Listening[1], "/v2/"), "1.1"));
        Assert.Equal(HttpStatusCode.BadRequest, other.StatusCode);
    }

    [Fact]
    public async Task Changed_certificate_is_used_for_new_connections_and_open_ones_stay()
    {
        _authority.WriteServer(serial: 1);
        await using var rig = await StartAsync();
        var open = 0;
        using var before = _authority.Client(seen: _ => open++);
        await before.GetAsync(new Uri(rig.Url, "/v2/"));

        _authority.WriteServer(serial: 2);
        await ShownAsync(rig.Url, "02");

        using var still = await before.GetAsync(new Uri(rig.Url, "/v2/"));
        Assert.Equal((200, 1), ((int)still.StatusCode, open));
    }

    [Fact]
    public async Task Certificate_folder_swapped_behind_a_link_is_noticed()
    {
        foreach (var (folder, serial) in (IEnumerable<(string, byte)>)[("one", 1), ("two", 2)])
        {
            Directory.CreateDirectory(_authority[folder]);
            _authority.WriteServer($"{folder}/cert.pem", $"{folder}/key.pem", serial: serial);
        }
        File.CreateSymbolicLink(_authority["..data"], "one");
        File.CreateSymbolicLink(_authority["cert.pem"], "..data/cert.pem");
        File.CreateSymbolicLink(_authority["key.pem"], "..data/key.pem");
        await using var rig = await StartAsync();
        await ShownAsync(rig.Url, "01");

        File.Delete(_authority["..data"]);
        File.CreateSymbolicLink(_authority["..data"], "two");

        await ShownAsync(rig.Url, "02");
    }

    [Fact]
    public void Mismatched_certificate_and_key_keep_the_old_pair_and_are_logged_if_they_stay()
    {
        _authority.WriteServer();
        var (clock, log) = (new ManualClock(), new LineLogger());
        var files = new CertificateFiles(Files, clock, log);
        var first = files.Until;

        // One file after the other, as an operator copies them.
        _authority.WriteServer("next.pem", "next.key", days: 40);
        File.Copy(_authority["next.pem"], _authority["cert.pem"], overwrite: true);
        clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(first, files.Until);
        Assert.DoesNotContain(log.Lines, line => line.Contains("cannot be used", StringComparison.Ordinal));

        for (var i = 0; i < 5; i++)
        {
            clock.Advance(TimeSpan.FromSeconds(2));
            Assert.Equal(first, files.Until);
        }
        Assert.Single(log.Lines, line => line.Contains("cannot be used; the previous one stays in use", StringComparison.Ordinal));

        File.Copy(_authority["next.key"], _authority["key.pem"], overwrite: true);
        clock.Advance(TimeSpan.FromSeconds(2));
        Assert.True(files.Until > first);

        File.Delete(_authority["key.pem"]);
        clock.Advance(TimeSpan.FromSeconds(2));
        Assert.True(files.Until > first);
    }

    [Fact]
    public void Certificate_that_expires_soon_is_logged_once_a_day()
    {
        _authority.WriteServer(days: 10);
        var (clock, log) = (new ManualClock(), new LineLogger());
        clock.Advance(DateTimeOffset.UtcNow - clock.GetUtcNow());

        var files = new CertificateFiles(Files, clock, log);
        for (var hour = 0; hour < 48; hour++)
        {
            clock.Advance(TimeSpan.FromHours(1));
            _ = files.Until;
        }

        Assert.Equal(3, log.Lines.Count(line => line.Contains("; replace it", StringComparison.Ordinal)));
    }

    [Fact]
    public void Unreadable_certificate_is_reported_in_one_line_with_its_file()
    {
        File.WriteAllText(_authority["cert.pem"], "none");
        File.WriteAllText(_authority["key.pem"], "none");

        var problem = Assert.Throws<IOException>(() => new CertificateFiles(Files, TimeProvider.System, NullLogger.Instance));
        Assert.Contains(_authority["cert.pem"], problem.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', problem.Message);
    }

    [Fact]
    public async Task The_operators_port_speaks_https_and_its_commands_know_the_certificate()
    {
        _authority.WriteServer();
        File.WriteAllText(_authority["token"], "0123456789abcdef");
        await using var rig = await GatewayRig.StartAsync(o => o with
        {
            Tls = Files with { ClientAuthorities = _authority["ca.pem"], RequireClientCertificate = true },
            Operator = new() { Url = new("https://127.0.0.1:0"), TokenFile = _authority["token"] },
        });
        using var client = _authority.Client();
        client.DefaultRequestHeaders.Authorization = new("Bearer", "0123456789abcdef");
        var metrics = await client.GetStringAsync(new Uri(rig.Operator, "/metrics"));
        Assert.Contains("gateway_tls_certificate_expiry_timestamp_seconds{certificate=\"cert.pem\"", metrics, StringComparison.Ordinal);

        await File.WriteAllTextAsync(_authority["gateway.yaml"], $$"""
            operator: { url: {{rig.Operator.ToString().TrimEnd('/')}}, tokenFile: token, tls: { certificate: cert.pem, key: key.pem } }
            """);
        using var output = new StringWriter();
        using var error = new StringWriter();
        Assert.Equal(0, await CommandLine.RunAsync(["stats", "--config", _authority["gateway.yaml"]], output, error));

        // Another is shown within a second, and then known.
        _authority.WriteServer();
        using var deadline = Patience.Limit(30);
        while (await CommandLine.RunAsync(["stats", "--config", _authority["gateway.yaml"]], output, error) != 0)
            await Task.Delay(100, deadline.Token);
    }

    private Task<GatewayRig> StartAsync() =>
        GatewayRig.StartAsync(o => o with { Listen = [new() { Url = new("https://127.0.0.1:0"), Tls = Files }] });

    private static HttpRequestMessage Request(Uri url, string version) =>
        new(HttpMethod.Get, url) { Version = Version.Parse(version), VersionPolicy = HttpVersionPolicy.RequestVersionExact };

    // New connections until one is shown the certificate with this serial number.
    private async Task ShownAsync(Uri url, string serial)
    {
        using var deadline = Patience.Limit(30);
        for (var shown = ""; shown != serial;)
        {
            using var client = _authority.Client(seen: certificate => shown = certificate.SerialNumber);
            using var answer = await client.GetAsync(new Uri(url, "/v2/"), deadline.Token);
            if (shown != serial) await Task.Delay(50, deadline.Token);
        }
    }
}
