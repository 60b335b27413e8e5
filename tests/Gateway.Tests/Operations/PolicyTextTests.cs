using Gateway.Operations;
using Gateway.Policy.Signatures;
using System.Security.Cryptography;
using Xunit;

namespace Gateway.Tests.Operations;

/// <summary>A policy that somebody sends to be tried: the gateway opens no file for him.</summary>
public sealed class PolicyTextTests
{
    private static PolicyText Naming(string file, string section = "key") => new(
        section == "key"
            ? $"policy: {{ default: allow, trust: {{ keys: {{ k: {{ pem: {file} }} }} }} }}"
            : $"listen: [{{ url: \"https://127.0.0.1:0\", tls: {{ certificate: {file}, key: {file} }} }}]\npolicy: {{ default: allow }}",
        "tried.yaml", "/");

    [Fact]
    public void Files_named_by_a_sent_policy_are_never_opened()
    {
        foreach (var section in new[] { "key", "tls" })
        {
            var (there, absent) = (Naming("/etc/passwd", section).Read(), Naming("/etc/absent", section).Read());
            Assert.Equal(absent.Problem?.Replace("absent", "passwd", StringComparison.Ordinal), there.Problem);
        }
        Assert.Contains("with the policy, got none", Naming("/etc/passwd").Read().Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Files_sent_with_the_policy_are_read()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var text = Naming("/there/key.pub");
        text.Files["/there/key.pub"] = new(key.ExportSubjectPublicKeyInfoPem(), DateTimeOffset.UnixEpoch);
        Assert.NotNull(VerificationKey.Parse(key.ExportSubjectPublicKeyInfoPem()).Key);
        Assert.Null(text.Read().Problem);
    }
}
