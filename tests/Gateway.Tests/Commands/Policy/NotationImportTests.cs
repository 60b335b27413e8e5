using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Gateway.Policy;
using Gateway.Policy.Signatures.Notation;
using Gateway.Tests.Configuration;
using Xunit;

namespace Gateway.Tests.Commands.Policy;

/// <summary>A trust policy of Notation and its trust store become a policy section.</summary>
public sealed class NotationImportTests : IDisposable
{
    private const string Identity = "x509.subject: C=US, ST=WA, O=acme";

    private readonly PolicyRig _rig = new();

    public NotationImportTests()
    {
        Store("ca", "acme", "root.pem");
        Store("ca", "wabbit", "root.crt", pem: false);
        Store("tsa", "clock", "root.cer");
    }

    public void Dispose() => _rig.Dispose();

    private void Store(string kind, string name, string file, bool pem = true)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("C=US, ST=WA, O=acme, CN=root", key, HashAlgorithmName.SHA256);
        using var root = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100));
        var folder = Directory.CreateDirectory(Path.Combine(_rig.Folder, "truststore", "x509", kind, name)).FullName;
        if (pem) File.WriteAllText(Path.Combine(folder, file), root.ExportCertificatePem());
        else File.WriteAllBytes(Path.Combine(folder, file), root.RawData);
    }

    private static string Statement(
        string name, string scopes, string level = "\"level\": \"strict\"", string stores = "\"ca:acme\"",
        string identities = $"\"{Identity}\"") =>
        $$"""{ "name": "{{name}}", "registryScopes": [{{scopes}}], "signatureVerification": { {{level}} }, "trustStores": [{{stores}}], "trustedIdentities": [{{identities}}] }""";

    private static string Skip(string name, string scopes) =>
        $$"""{ "name": "{{name}}", "registryScopes": [{{scopes}}], "signatureVerification": { "level": "skip" } }""";

    private Task<(int Code, string Output, string Error)> Import(params string[] statements) => ImportWith([], statements);

    private Task<(int Code, string Output, string Error)> ImportWith(string[] options, params string[] statements) => PolicyRig.Run([
        "import", "--notation",
        _rig.Write("trustpolicy.json", $$"""{ "version": "1.0", "trustPolicies": [ {{string.Join(",\n", statements)}} ] }"""), .. options]);

    [Fact]
    public async Task Statement_becomes_a_rule_an_authority_and_a_store()
    {
        var (code, output, error) = await Import(Statement(
            "acme images", "\"*\"",
            "\"level\": \"permissive\", \"override\": { \"expiry\": \"enforce\" }, \"verifyTimestamp\": \"afterCertExpiry\"",
            "\"ca:acme\", \"ca:wabbit\", \"tsa:clock\""));

        Assert.Equal((0, ""), (code, error));
        var policy = Yaml.Good(output).Policy!;
        Assert.Equal(Outcome.Deny, policy.Default);
        Assert.Equal(
            ("acme images", OnMissing.Quarantine, "acme images"),
            (policy.Rules[0].Id, policy.Rules[0].OnMissing, policy.Rules[0].Require.Signatures[0].Authority));
        Assert.Empty(policy.Rules[0].Repositories);
        Assert.Equal([ManifestKind.Evidence], policy.Rules[1].Kinds);
        var authority = policy.Trust.Authorities["acme images"].Notation!;
        Assert.Equal(
            (NotationLevel.Permissive, NotationAction.Enforce, true), (authority.Level, authority.Expiry, authority.StampAfterExpiry));
        Assert.Equal("C=US, O=acme, ST=WA", Assert.Single(authority.Identities).ToString());
        var store = policy.Trust.Notation["acme images"];
        Assert.Equal((2, 0, 1), (store.Ca.Length, store.SigningAuthority.Length, store.Tsa.Length));
    }

    [Fact]
    public async Task Wildcard_statement_excludes_the_scopes_of_others()
    {
        var (code, output, _) = await Import(
            Statement("wabbit", "\"docker.io/wabbit/net\"", stores: "\"ca:wabbit\"", identities: "\"*\""), Statement("rest", "\"*\""),
            Skip("tools", "\"docker.io/acme/tools\""));

        Assert.Equal(0, code);
        var rules = Yaml.Good(output).Policy!.Rules;
        Assert.Equal(["wabbit", "rest", "tools", "evidence-may-come"], rules.Select(static rule => rule.Id));
        Assert.Equal(["docker.io/wabbit/net"], rules[0].Repositories);
        Assert.Equal(["docker.io/wabbit/net", "docker.io/acme/tools"], rules[1].ExceptRepositories);
        Assert.Equal((RuleMode.Audit, 0), (rules[2].Mode, rules[2].Require.Signatures.Length));
    }

    [Fact]
    public async Task Host_of_this_gateway_is_removed_and_other_hosts_are_reported()
    {
        var (own, output, _) = await ImportWith(["--host", "localhost:5000"], Statement("a", "\"localhost:5000/prod/app\""));
        var (other, _, note) = await Import(Statement("a", "\"registry.acme.example/prod/app\""));
        var (port, none, refusal) = await Import(Statement("a", "\"localhost:5000/prod/app\""));

        Assert.Equal((0, 2, 4, ""), (own, other, port, none));
        Assert.Equal(["prod/app"], Yaml.Good(output).Policy!.Rules[0].Repositories);
        Assert.Contains("means repositories below the prefix registry.acme.example", note, StringComparison.Ordinal);
        Assert.Contains("expected a name without port", refusal, StringComparison.Ordinal);
    }

    public static TheoryData<string, string> Wrong => new()
    {
        { Statement("a", "\"*\"", stores: "\"ca:other\""), "expected a trust store that can be read" },
        { Statement("a", "\"*\"", stores: "\"ca:../acme\""), "expected ca:NAME" },
        { Statement("a", "\"*\"", stores: "\"kms:acme\""), "expected ca:NAME" },
        { Statement("a", "\"*\"", stores: ""), "expected trust stores" },
        { Statement("a", "\"*\"", identities: "\"*\", \"x509.subject: C=US, ST=WA, O=a\""), "expected * alone" },
        { Statement("a", "\"*\"", identities: "\"com.example.plugin: x\""), "expected x509.subject:" },
        { Statement("a", "\"*\"", "\"level\": \"lax\""), "permissive" },
        { Statement("a", "\"*\"", "\"level\": \"strict\", \"override\": { \"integrity\": \"log\" }"), "unknown key" },
        { Statement("a", "\"*\"", "\"level\": \"strict\", \"verify\": 1"), "trustPolicies.signatureVerification.verify: unknown key" },
        { Statement("a", "\"docker.io/*\", \"docker.io/a\""), "expected * alone" },
        { Statement("a", "\"docker.io/a\"") + ", " + Statement("b", "\"docker.io/a\""), "is already a scope of an earlier statement" },
        { Statement("a", "\"docker.io/a\"") + ", " + Statement("a", "\"docker.io/b\""), "is already the name of an earlier statement" },
        { Skip("a", "\"*\""), "expected another level than skip" },
        { Statement("a", "\"docker.io/a\"", "\"level\": \"skip\""), "expected neither trustStores nor trustedIdentities" },
        { "{ \"name\": \"a\" }", "expected a statement with name and signatureVerification.level" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task Unsupported_setting_is_refused_with_its_place(string statement, string expected)
    {
        var (code, output, error) = await Import(statement);

        Assert.Equal((4, ""), (code, output));
        Assert.Contains(expected, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Links_in_a_trust_store_are_refused_and_folders_are_reported()
    {
        var acme = Path.Combine(_rig.Folder, "truststore", "x509", "ca", "acme");
        Directory.CreateDirectory(Path.Combine(acme, "old"));
        Assert.Contains("is ignored", (await Import(Statement("a", "\"*\""))).Error, StringComparison.Ordinal);
        File.CreateSymbolicLink(Path.Combine(acme, "link.pem"), Path.Combine(acme, "root.pem"));

        var (code, _, error) = await Import(Statement("a", "\"*\""));

        Assert.Equal(4, code);
        Assert.Contains("got the link", error, StringComparison.Ordinal);
    }
}
