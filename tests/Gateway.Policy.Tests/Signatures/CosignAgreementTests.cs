using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using Gateway.Policy.Signatures;
using Xunit;

namespace Gateway.Policy.Tests.Signatures;

/// <summary>
/// The real cosign 3 as the reference for bundles by key: the gateway accepts what cosign accepts as a signature. Needs
/// <c>GATEWAY_RIG</c>, the folder that <c>tests/rig/install.sh</c> fills; otherwise skipped.
/// </summary>
public sealed class CosignAgreementTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-evaluator-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("p256", "honest", true)]
    [InlineData("rsa", "honest", true)]
    [InlineData("p256", "without predicate", true)]
    [InlineData("p256", "two subjects", true)]
    [InlineData("p256", "signature", false)]
    [InlineData("rsa", "signature", false)]
    [InlineData("p256", "payload", false)]
    [InlineData("p256", "payload type", false)]
    [InlineData("p256", "other key", false)]
    [InlineData("p256", "other subject", false)]
    [InlineData("p256", "two signatures", false)]
    public async Task Gateway_and_cosign_agree_about_each_bundle(string kind, string how, bool accepted)
    {
        var key = kind == "rsa" ? TestKey.Rsa() : TestKey.Ecdsa();
        var bundle = Make(key, how);

        var ours = Forge.Ask(TrustIn.Keys(key), Forge.Referrer(Forge.Of(bundle)));
        var theirs = await CosignAccepts(bundle, key);

        Assert.Equal((accepted, accepted), (theirs, ours.IsSatisfied));
    }

    private static JsonObject Make(TestKey key, string how)
    {
        var other = Forge.Named("sha256", Forge.Other.Hex.ToString());
        var bundle = how switch
        {
            "without predicate" => Forge.Bundle(key, Forge.Statement(predicate: null)),
            "two subjects" => Forge.Bundle(
                key, Forge.Statement(subjects: $"{other},{Forge.Named("sha256", Forge.Subject.Hex.ToString())}")),
            "other subject" => Forge.Bundle(key, Forge.Statement(subjects: other)),
            "other key" => Forge.Bundle(TestKey.Ecdsa()),
            _ => Forge.Bundle(key),
        };
        var envelope = bundle["dsseEnvelope"]!;
        if (how == "signature") envelope["signatures"]![0]!["sig"] = Convert.ToBase64String(key.Sign("something else"u8.ToArray()));
        if (how == "payload")
            envelope["payload"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(Forge.Statement(predicate: """{"a":1}""")));
        if (how == "payload type") envelope["payloadType"] = "text/plain";
        if (how == "two signatures") envelope["signatures"]!.AsArray().Add(envelope["signatures"]![0]!.DeepClone());
        return bundle;
    }

    private async Task<bool> CosignAccepts(JsonObject bundle, TestKey key)
    {
        var rig = Environment.GetEnvironmentVariable("GATEWAY_RIG");
        Assert.SkipWhen(rig is null, "GATEWAY_RIG names no folder with cosign");
        var stop = TestContext.Current.CancellationToken;
        var (file, pem) = (Path.Combine(_folder, "bundle.json"), Path.Combine(_folder, "key.pub"));
        await File.WriteAllTextAsync(file, bundle.ToJsonString(), stop);
        await File.WriteAllTextAsync(pem, key.Pem, stop);
        string[] arguments =
        [
            "verify-blob-attestation", "--bundle", file, "--key", pem, "--insecure-ignore-tlog=true", "--type", EvidenceTypes.SignPredicate,
            "--digest", Forge.Subject.Hex.ToString(), "--digestAlg", "sha256",
        ];
        var start = new ProcessStartInfo(Path.Combine(rig!, "bin", "cosign3"), arguments)
        {
            RedirectStandardError = true, RedirectStandardOutput = true,
        };
        start.Environment["HOME"] = _folder;
        using var cosign = Process.Start(start)!;
        var output = cosign.StandardOutput.ReadToEndAsync(stop);
        TestContext.Current.TestOutputHelper?.WriteLine(await cosign.StandardError.ReadToEndAsync(stop) + await output);
        await cosign.WaitForExitAsync(stop);
        return cosign.ExitCode == 0;
    }
}
