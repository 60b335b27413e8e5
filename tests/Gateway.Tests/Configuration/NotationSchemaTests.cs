using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Notation;
using Xunit;

namespace Gateway.Tests.Configuration;

/// <summary>How trust in Notation signatures is written, and which mistakes are told where.</summary>
public sealed class NotationSchemaTests : IDisposable
{
    private readonly string _file = Path.Combine(Path.GetTempPath(), $"gateway-root-{Guid.NewGuid():N}.pem");

    public NotationSchemaTests() => File.WriteAllText(_file, NewRoot() + NewRoot());

    public void Dispose() => File.Delete(_file);

    private static string NewRoot()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("C=US, ST=WA, O=acme, CN=root", key, HashAlgorithmName.SHA256);
        using var root = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100));
        return root.ExportCertificatePem() + "\n";
    }

    private string Trust(string store = "ca: FILE", string authority = "notation: acme, trustedIdentities: [\"*\"]") => $$"""
        policy:
          default: allow
          trust:
            notation: { acme: { {{store.Replace("FILE", _file, StringComparison.Ordinal)}} } }
            authorities: { release: { {{authority}} } }
          rules: [{ id: r, require: { signatures: [{ authority: release, formats: [notation] }] } }]
        """;

    [Fact]
    public void Notation_store_and_authority_are_read_as_written()
    {
        var trust = Yaml.Good(Trust(
            $"ca: [FILE], signingAuthority: FILE, tsa: [FILE], revoked: ['{new string('A', 64)}', '{string.Join(':', Enumerable.Repeat("bC", 32))}']",
            "notation: acme, level: permissive, override: { expiry: enforce, revocation: skip }, verifyTimestamp: afterCertExpiry, "
            + "trustedIdentities: ['x509.subject: C=US, ST=WA, O=acme', 'x509.subject: C=DE, ST=BE, O=acme']")).Policy!.Trust;

        var store = trust.Notation["acme"];
        Assert.Equal((2, 2, 2), (store.Ca.Length, store.SigningAuthority.Length, store.Tsa.Length));
        Assert.Equal([new string('a', 64), string.Concat(Enumerable.Repeat("bc", 32))], store.Revoked);
        var authority = trust.Authorities["release"].Notation!;
        Assert.Equal(
            ("acme", NotationLevel.Permissive, true, false),
            (authority.Store, authority.Level, authority.StampAfterExpiry, authority.AnyIdentity));
        Assert.Equal(
            (null, null, NotationAction.Enforce, NotationAction.Skip),
            (authority.Authenticity, authority.AuthenticTimestamp, authority.Expiry, authority.Revocation));
        Assert.Equal(["C=US, O=acme, ST=WA", "C=DE, O=acme, ST=BE"], authority.Identities.Select(static one => one.ToString()));
    }

    [Fact]
    public void Level_is_strict_by_default()
    {
        var policy = Yaml.Good(Trust()).Policy!;

        Assert.Equal(NotationLevel.Strict, policy.Trust.Authorities["release"].Notation!.Level);
        Assert.Equal([SignatureFormat.Notation], policy.Rules[0].Require.Signatures[0].Formats);
    }

    [Theory]
    [InlineData("{}", "policy.trust.notation.acme: expected certificates under ca or signingAuthority, got none")]
    [InlineData("tsa: FILE", "expected certificates under ca or signingAuthority, got none")]
    [InlineData("ca: /nonexistent/root.pem", "policy.trust.notation.acme.ca[0]: expected certificates in PEM")]
    [InlineData("ca: \"-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----\"", "expected BEGIN CERTIFICATE, got BEGIN PUBLIC KEY")]
    [InlineData("ca: \"-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\"", "certificate 1 is not in DER")]
    [InlineData("ca: FILE, revoked: [abc]", "expected the SHA-256 of a certificate in hex")]
    [InlineData("roots: FILE", "unknown key")]
    public void Mistake_in_a_store_is_reported(string store, string expected) =>
        Assert.Contains(Yaml.Mistakes(Trust(store == "{}" ? "" : store)), mistake => mistake.Contains(expected, StringComparison.Ordinal));

    [Theory]
    [InlineData("notation: acme", "expected both notation and trustedIdentities; add the missing one")]
    [InlineData("trustedIdentities: ['*']", "expected both notation and trustedIdentities; add the missing one")]
    [InlineData("notation: acme, trustedIdentities: []", "expected both notation and trustedIdentities; add the missing one")]
    [InlineData("notation: acne, trustedIdentities: ['*']", "'acne' is not a store of trust.notation")]
    [InlineData("notation: acme, trustedIdentities: ['*', 'x509.subject: C=US, ST=WA, O=a']", "expected * alone")]
    [InlineData("notation: acme, trustedIdentities: ['x509.subject: C=US, ST=WA']", "no O")]
    [InlineData("notation: acme, trustedIdentities: ['C=US, ST=WA, O=a']", "expected x509.subject:")]
    [InlineData(
        "notation: acme, trustedIdentities: ['x509.subject: C=US, ST=WA, O=a', 'x509.subject: C=US, ST=WA, O=a, CN=b']",
        "remove one of them")]
    [InlineData("notation: acme, trustedIdentities: ['*'], level: skip", "permissive")]
    [InlineData("notation: acme, trustedIdentities: ['*'], override: { integrity: log }", "unknown key")]
    [InlineData("notation: acme, trustedIdentities: ['*'], override: { expiry: skip }", "expected enforce or log")]
    [InlineData(
        "notation: acme, trustedIdentities: ['*'], issuer: x",
        "expected one of anyOf with keys, keyless with issuer and subject, and notation")]
    [InlineData("notation: acme, trustedIdentities: ['*'], tlog: require", "Notation uses no transparency log")]
    public void Mistake_in_an_authority_is_reported(string authority, string expected) =>
        Assert.Contains(Yaml.Mistakes(Trust(authority: authority)), mistake => mistake.Contains(expected, StringComparison.Ordinal));

    [Fact]
    public void Rule_excludes_repositories()
    {
        var rule = Yaml.Good("policy: { default: allow, rules: [{ id: r, match: { exceptRepos: ['dev/**'] }, require: { limits: { maxLayers: 5 } } }] }").Policy!.Rules[0];

        Assert.True(rule.IsAbout(Oci.RepositoryName.Parse("prod/app")));
        Assert.False(rule.IsAbout(Oci.RepositoryName.Parse("dev/app")));
    }
}
