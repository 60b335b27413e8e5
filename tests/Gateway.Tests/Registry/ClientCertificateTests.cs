using System.Collections.Immutable;
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Tests.Access;
using Xunit;

namespace Gateway.Tests.Registry;

/// <summary>Who a client's certificate says he is, and who it does not.</summary>
public sealed class ClientCertificateTests : IDisposable
{
    private readonly TestAuthority _authority = new();
    private readonly TestAuthority _other = new("another authority");

    public ClientCertificateTests()
    {
        _authority.WriteServer();
        File.WriteAllText(_authority["htpasswd"], AccessRig.Line("ci", "secret") + "\n");
    }

    public void Dispose()
    {
        _authority.Dispose();
        _other.Dispose();
    }

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task Client_certificate_names_the_account_of_the_rules(string version)
    {
        await using var rig = await StartAsync();
        using var node = _authority.Client(_authority.Sign("O=nodes, CN=node-7"));
        using var stranger = _authority.Client(_authority.Sign("CN=laptop"));
        using var nobody = _authority.Client();

        Assert.Equal((200, 404, 404), (await PingAsync(rig, node, version), await PullAsync(rig, node), await WriteAsync(rig, node)));
        Assert.Equal((200, "NAME_UNKNOWN"), (await PingAsync(rig, stranger), await CodeAsync(rig, stranger)));
        Assert.Equal((401, 401), (await PingAsync(rig, nobody), await PullAsync(rig, nobody)));
    }

    [Theory]
    [InlineData("request", 200)]
    [InlineData("require", null)]
    public async Task Client_without_a_certificate_connects_unless_one_is_required(string mode, int? expected)
    {
        await using var rig = await StartAsync(tls => tls with { RequireClientCertificate = mode == "require" });
        using var client = _authority.Client();
        client.DefaultRequestHeaders.Authorization = AuthenticationHeaderValue.Parse(AccessRig.Basic("ci", "secret"));

        if (expected is { } status) Assert.Equal(status, await PingAsync(rig, client));
        else await Assert.ThrowsAnyAsync<HttpRequestException>(() => PingAsync(rig, client));
    }

    [Theory]
    [InlineData("another authority")]
    [InlineData("expired")]
    [InlineData("for servers")]
    [InlineData("for anything")]
    [InlineData("no name")]
    [InlineData("two names")]
    public async Task Client_certificate_without_a_valid_chain_does_not_connect(string flaw)
    {
        await using var rig = await StartAsync();
        using var client = _authority.Client(flaw switch
        {
            "another authority" => _other.Sign("CN=node-7"),
            "expired" => _authority.Sign("CN=node-7", days: 0),
            "for servers" => _authority.Sign("CN=node-7", TestAuthority.ServerAuthentication),
            "for anything" => _authority.Sign("CN=node-7", ""),
            "no name" => _authority.Sign("O=nodes"),
            _ => _authority.Sign("CN=node-7, CN=node-8"),
        });

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => PingAsync(rig, client));
    }

    [Theory]
    [InlineData("CommonName", "cn.example")]
    [InlineData("Dns", "node-7.example")]
    [InlineData("Email", "node-7@example")]
    [InlineData("Uri", "spiffe://example/node-7")]
    public async Task The_configured_field_alone_names_the_actor(string field, string name)
    {
        await using var rig = await StartAsync(tls => tls with { ClientName = Enum.Parse<CertificateName>(field) });
        using var client = _authority.Client(_authority.Sign("CN=cn.example", names: names =>
        {
            names.AddDnsName("node-7.example");
            names.AddEmailAddress("node-7@example");
            names.AddUri(new("spiffe://example/node-7"));
        }));

        await PingAsync(rig, client);
        await rig.StopAsync();
        Assert.Contains($"\"actor\":\"cert:{name}\"", Encoding.UTF8.GetString(rig.AccessLog.ToArray()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sent_credentials_are_always_checked()
    {
        await using var rig = await StartAsync();
        using var client = _authority.Client(_authority.Sign("CN=node-7"));

        Assert.Equal(404, await PullAsync(rig, client, "nodes/app"));
        Assert.Equal("MANIFEST_UNKNOWN", await CodeAsync(rig, client, "nodes/app"));
        client.DefaultRequestHeaders.Authorization = AuthenticationHeaderValue.Parse(AccessRig.Basic("ci", "secret"));
        Assert.Equal("NAME_UNKNOWN", await CodeAsync(rig, client, "nodes/app"));
        client.DefaultRequestHeaders.Authorization = AuthenticationHeaderValue.Parse(AccessRig.Basic("ci", "wrong"));
        Assert.Equal(401, await PullAsync(rig, client, "nodes/app"));
    }

    // A token that was carried away is worth nothing without the certificate.
    [Fact]
    public async Task Token_contains_nothing_from_a_client_certificate()
    {
        await using var rig = await StartAsync();
        using var node = _authority.Client(_authority.Sign("CN=node-7"));
        using var grant = System.Text.Json.JsonDocument.Parse(await node.GetStringAsync(new Uri(rig.Url, "/token")));
        var bearer = new AuthenticationHeaderValue("Bearer", grant.RootElement.GetProperty("token").GetString());
        using var thief = _authority.Client();

        node.DefaultRequestHeaders.Authorization = thief.DefaultRequestHeaders.Authorization = bearer;

        Assert.Equal("MANIFEST_UNKNOWN", await CodeAsync(rig, node, "nodes/app"));
        Assert.Equal(401, await PullAsync(rig, thief, "nodes/app"));
    }

    // By openssl, which keeps a session and shows it again; .NET's own client does so only with the same certificate.
    [Theory]
    [InlineData("-tls1_2")]
    [InlineData("-tls1_3")]
    public async Task Resumed_TLS_session_carries_no_client_certificate(string version)
    {
        await using var rig = await StartAsync();
        using var certificate = _authority.Sign("CN=node-7");
        await File.WriteAllTextAsync(_authority["client.pem"], certificate.ExportCertificatePem());
        await File.WriteAllTextAsync(_authority["client.key"], certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());

        var first = await AskAsync(
            rig.Url, version, "-cert", _authority["client.pem"], "-key", _authority["client.key"], "-sess_out", _authority["session"]);
        var second = File.Exists(_authority["session"])
            ? await AskAsync(rig.Url, version, "-sess_in", _authority["session"])
            : await AskAsync(rig.Url, version);

        Assert.Contains("HTTP/1.1 200 OK", first, StringComparison.Ordinal);
        Assert.Contains("HTTP/1.1 401 Unauthorized", second, StringComparison.Ordinal);
        Assert.DoesNotContain("Reused, ", second, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Changed_client_authorities_are_used_for_new_connections()
    {
        await using var rig = await StartAsync();
        using var client = _other.Sign("CN=node-7");
        var root = await File.ReadAllTextAsync(_other["ca.pem"]);

        await File.WriteAllTextAsync(_authority["ca.pem"], root);

        using var deadline = Patience.Limit(30);
        while (!deadline.IsCancellationRequested)
        {
            try
            {
                using var http = _authority.Client(client);
                if (await PingAsync(rig, http) == 200) return;
            }
            catch (HttpRequestException)
            {
                await Task.Delay(50, deadline.Token);
            }
        }
        Assert.Fail("the new authority was not taken up");
    }

    [Fact]
    public async Task Caller_with_a_certificate_gets_403_and_no_challenge_from_the_policy()
    {
        await using var rig = await StartAsync(policy: new()
        {
            Default = Outcome.Allow,
            Rules =
            [
                new()
                {
                    Id = "described", Stages = [Stage.Pull],
                    Require = new()
                    {
                        Annotations = ImmutableSortedDictionary<string, TextCondition>.Empty.Add("about", new(TextComparison.Glob, "*")),
                    },
                },
            ],
        });
        using var nobody = _authority.Client();
        using var node = _authority.Client(_authority.Sign("CN=node-7"));
        using var ci = _authority.Client();
        ci.DefaultRequestHeaders.Authorization = AuthenticationHeaderValue.Parse(AccessRig.Basic("ci", "secret"));
        using var blob = await ci.PostAsync(
            new Uri(rig.Url, $"/v2/open/app/blobs/uploads/?digest={Digest.Of("{}"u8)}"), new ByteArrayContent("{}"u8.ToArray()));
        var manifest = new ByteArrayContent(GatewayRig.ManifestBytes()) { Headers = { ContentType = new(MediaTypes.OciManifest) } };
        using var pushed = await ci.PutAsync(new Uri(rig.Url, "/v2/open/app/manifests/v1"), manifest);

        Assert.Equal((201, 201), ((int)blob.StatusCode, (int)pushed.StatusCode));
        Assert.Equal(
            (401, 403, 200),
            (await PullAsync(rig, nobody, "open/app"), await PullAsync(rig, node, "open/app"), await PullAsync(rig, ci, "open/app")));
    }

    private Task<GatewayRig> StartAsync(Func<TlsOptions, TlsOptions>? configure = null, PolicyOptions? policy = null)
    {
        var tls = new TlsOptions(_authority["cert.pem"], _authority["key.pem"]) { ClientAuthorities = _authority["ca.pem"] };
        return GatewayRig.StartAsync(o => o with
        {
            Listen = [new() { Url = new("https://127.0.0.1:0"), Tls = configure?.Invoke(tls) ?? tls }],
            Access = new()
            {
                Htpasswd = _authority["htpasswd"],
                Rules =
                [
                    new(["cert:node-*"], ["nodes/**"], AccessActions.Pull), new(["*"], ["accounts/**"], AccessActions.Pull),
                    new(["anonymous"], ["open/**"], AccessActions.Pull), new(["ci"], ["open/**"], AccessActions.All),
                ],
            },
            Policy = policy,
        });
    }

    private static async Task<int> PingAsync(GatewayRig rig, HttpClient client, string version = "1.1")
    {
        using var answer = await client.SendAsync(new(HttpMethod.Get, new Uri(rig.Url, "/v2/"))
        {
            Version = Version.Parse(version), VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        });
        return (int)answer.StatusCode;
    }

    private static async Task<int> PullAsync(GatewayRig rig, HttpClient client, string repository = "nodes/app")
    {
        using var answer = await client.GetAsync(new Uri(rig.Url, $"/v2/{repository}/manifests/v1"));
        return (int)answer.StatusCode;
    }

    // "*" is every account, and a certificate is none: what is open to accounts is not open to it.
    private static async Task<int> WriteAsync(GatewayRig rig, HttpClient client)
    {
        using var answer = await client.PostAsync(new Uri(rig.Url, "/v2/accounts/app/blobs/uploads/"), null);
        return (int)answer.StatusCode;
    }

    private static async Task<string?> CodeAsync(GatewayRig rig, HttpClient client, string repository = "nodes/app")
    {
        using var answer = await client.GetAsync(new Uri(rig.Url, $"/v2/{repository}/manifests/v1"));
        return await GatewayRig.ErrorCodeAsync(answer);
    }

    private static async Task<string> AskAsync(Uri url, params string[] options)
    {
        using var client = Process.Start(new ProcessStartInfo(
            "openssl", ["s_client", "-connect", $"127.0.0.1:{url.Port}", "-ign_eof", .. options])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        await client.StandardInput.WriteAsync("GET /v2/ HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n");
        await client.StandardInput.FlushAsync();
        var errors = client.StandardError.ReadToEndAsync();
        var answer = await client.StandardOutput.ReadToEndAsync();
        await errors;
        await client.WaitForExitAsync();
        return answer;
    }
}
