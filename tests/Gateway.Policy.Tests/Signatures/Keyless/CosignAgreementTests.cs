using System.Diagnostics;
using Gateway.Policy.Signatures;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Keyless;

/// <summary>
/// The real cosign 3 as the reference for the test sigstore and for the verifier: both accept and refuse the same bundles. Needs
/// <c>GATEWAY_RIG</c>, the folder that <c>tests/rig/install.sh</c> fills; otherwise skipped.
/// </summary>
public sealed class CosignAgreementTests : IDisposable
{
    private static readonly TestSigstore Sigstore = TestSigstore.Shared;
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-evaluator-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(Logged.Dsse, false)]
    [InlineData(Logged.Dsse, true)]
    [InlineData(Logged.Intoto, false)]
    [InlineData(Logged.Rekord2, true)]
    internal async Task Signature_by_the_test_sigstore_is_accepted_by_cosign_and_the_gateway(Logged logged, bool stamp)
    {
        var material = Sigstore.Sign(logged, stamp: stamp);
        Assert.Null(await CosignProblem(material));
        Assert.Null(Sigstore.Verify(material).Checked.Code);
    }

    public static TheoryData<string> Forged =>
    [
        .. "signature,payload,entry timestamp,time,way,root,checkpoint,body,other entry,no time".Split(','),
        .. "secret,strange SCT,strange authority,server,late,subject,issuer".Split(','),
    ];

    [Theory]
    [MemberData(nameof(Forged))]
    public async Task Bundle_that_cosign_refuses_is_refused(string how)
    {
        var material = Forge(how);
        Assert.NotNull(await CosignProblem(material));
        Assert.NotNull(Sigstore.Verify(material).Checked.Code);
    }

    private static SignatureMaterial Forge(string how)
    {
        var good = Sigstore.Sign(Logged.Dsse);
        return how switch
        {
            "signature" => good with { Signature = Flip(good.Signature, 12) },
            "payload" => good with { Payload = Flip(good.Payload, 60), SignedBytes = Flip(good.SignedBytes, PayloadIn(good) + 60) },
            "entry timestamp" => Entry(good, e => e with { SignedEntryTimestamp = Flip(e.SignedEntryTimestamp!.Value, 20) }),
            "time" => Entry(good, e => e with { IntegratedTime = e.IntegratedTime!.Value.AddSeconds(1) }),
            "way" => Entry(good, e => e with { Proof = e.Proof! with { Hashes = e.Proof.Hashes.SetItem(0, Flip(e.Proof.Hashes[0], 0)) } }),
            "root" => Entry(good, e => e with { Proof = e.Proof! with { RootHash = Flip(e.Proof.RootHash, 0) } }),
            "checkpoint" => Entry(good, e => e with { Proof = e.Proof! with { Checkpoint = Sigstore.Rekor.Checkpoint(7, new byte[32]) } }),
            "body" => Entry(good, e => e with { CanonicalizedBody = Sigstore.Sign().LogEntries[0].CanonicalizedBody }),
            "other entry" => good with { LogEntries = Sigstore.Sign().LogEntries },
            "no time" => Sigstore.Sign(Logged.Rekord2, stamp: false),
            "secret" => Sigstore.Sign(leaf: new LeafOptions { HasSct = false }),
            "strange SCT" => Sigstore.Sign(leaf: new LeafOptions { SctBy = TestLogKey.Ecdsa() }),
            "strange authority" => Sigstore.Sign(fulcio: Stranger(), leaf: new LeafOptions { SctBy = Sigstore.Fulcio.Log }),
            "server" => Sigstore.Sign(leaf: new LeafOptions { Usages = ["1.3.6.1.5.5.7.3.1"] }),
            "late" => Sigstore.Sign(at: TestSigstore.Signed.AddMinutes(20)),
            "subject" => Sigstore.Sign(leaf: new LeafOptions { Uri = TestSigstore.Workflow + "4" }),
            _ => Sigstore.Sign(leaf: new LeafOptions { IssuerString = "https://evil.example" }),
        };
    }

    private static TestFulcio Stranger() => new(TestSigstore.Issued.AddYears(-1), TimeSpan.FromDays(3650));

    private static int PayloadIn(SignatureMaterial material) => material.SignedBytes.Length - material.Payload.Length;

    private static SignatureMaterial Entry(SignatureMaterial material, Func<LogEntry, LogEntry> change) =>
        material with { LogEntries = [change(material.LogEntries[0])] };

    private static byte[] Flip(ReadOnlyMemory<byte> bytes, int at)
    {
        var changed = bytes.ToArray();
        changed[at] ^= 0x01;
        return changed;
    }

    // The reason for which cosign refuses; null when it accepts.
    private async Task<string?> CosignProblem(SignatureMaterial material)
    {
        var rig = Environment.GetEnvironmentVariable("GATEWAY_RIG");
        Assert.SkipWhen(rig is null, "GATEWAY_RIG names no folder with cosign");
        var stop = TestContext.Current.CancellationToken;
        var (bundle, root) = (Path.Combine(_folder, "bundle.json"), Path.Combine(_folder, "root.json"));
        await File.WriteAllTextAsync(bundle, BundleJson.Of(material), stop);
        await File.WriteAllTextAsync(root, Sigstore.RootJson(), stop);
        string[] arguments =
        [
            "verify-blob-attestation", "--bundle", bundle, "--trusted-root", root, "--certificate-identity", TestSigstore.Workflow,
            "--certificate-oidc-issuer", TestSigstore.Issuer, "--type", "https://sigstore.dev/cosign/sign/v1",
            "--digest", TestSigstore.Subject, "--digestAlg", "sha256",
        ];
        if (material.Timestamps.Length > 0) arguments = [.. arguments, "--use-signed-timestamps"];
        var start = new ProcessStartInfo(Path.Combine(rig!, "bin", "cosign3"), arguments)
        {
            RedirectStandardError = true, RedirectStandardOutput = true,
        };
        start.Environment["HOME"] = _folder;
        using var cosign = Process.Start(start)!;
        var said = await cosign.StandardError.ReadToEndAsync(stop) + await cosign.StandardOutput.ReadToEndAsync(stop);
        await cosign.WaitForExitAsync(stop);
        TestContext.Current.TestOutputHelper?.WriteLine(said);
        return cosign.ExitCode == 0 ? null : said;
    }
}
