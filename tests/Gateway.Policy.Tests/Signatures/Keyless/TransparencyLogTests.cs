using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Keyless;

/// <summary>Log entries: signed entry timestamps, proofs, and whether the entry is about this signature (CVE-2026-22703).</summary>
public sealed class TransparencyLogTests
{
    private static readonly TestSigstore Sigstore = TestSigstore.Shared;

    [Fact]
    public void Signed_entry_timestamp_is_over_canonical_JSON_of_RFC_8785()
    {
        var entry = new LogEntry
        {
            LogIndex = 9007199254740991, LogId = new byte[] { 0xC0, 0xD2 }, CanonicalizedBody = new byte[] { 0xFB, 0xFF, 0xFE, 0x3E },
        };
        Assert.Equal(
            "{\"body\":\"+//+Pg==\",\"integratedTime\":1772366460,\"logID\":\"c0d2\",\"logIndex\":9007199254740991}",
            Encoding.UTF8.GetString(TransparencyLog.CanonicalEntry(entry, TestSigstore.Signed)));
    }

    [Fact]
    public void Mode_decides_what_missing_entries_and_a_missing_root_mean()
    {
        var none = Sigstore.Sign(Logged.Nowhere);
        var some = Sigstore.Sign();
        Assert.Equal("a log entry is required, there is none", Check(none, TlogMode.Require).Why);
        Assert.True(IsNothing(Check(none, TlogMode.IfPresent)));
        Assert.True(Check(some, TlogMode.IfPresent).IsLogged);
        Assert.Equal("a log entry is required, and no trusted root names a log", Check(some, TlogMode.Require, hasRoot: false).Why);
        Assert.True(IsNothing(Check(some, TlogMode.IfPresent, hasRoot: false)));
        var bad = Of(some, e => e with { CanonicalizedBody = new byte[] { 1 } });
        Assert.True(IsNothing(Check(bad, TlogMode.Ignore)));
        Assert.NotNull(Check(bad, TlogMode.IfPresent).Why);
    }

    private static bool IsNothing(LogCheck check) => check is { IsLogged: false, Why: null, Times: [] };

    [Fact]
    public void Key_in_a_log_entry_is_a_SubjectPublicKeyInfo()
    {
        var payload = "payload"u8.ToArray();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var signature = key.SignData(payload, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        var pem = key.ExportSubjectPublicKeyInfoPem() + "\n";
        var entry = Sigstore.Rekor.Append("hashedrekord", "0.0.1", LogBodies.Rekord(payload, signature, pem), TestSigstore.Signed);
        var material = Sigstore.Sign(Logged.Nowhere) with
        {
            Certificate = null, SignedBytes = payload, Payload = payload, Signature = signature, LogEntries = [entry],
        };
        var spki = key.ExportSubjectPublicKeyInfo();
        var check = TransparencyLog.Check(material, spki, TlogMode.Require, Sigstore.Root.SignatureLogs);
        Assert.True(check.IsLogged);
        Assert.Equal([TestSigstore.Signed], check.Times);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var strange = TransparencyLog.Check(material, other.ExportSubjectPublicKeyInfo(), TlogMode.IfPresent, Sigstore.Root.SignatureLogs);
        Assert.Contains("another key", strange.Why);
    }

    [Theory]
    [InlineData(Logged.Rekord)]
    [InlineData(Logged.Dsse)]
    [InlineData(Logged.Intoto)]
    [InlineData(Logged.Rekord2)]
    [InlineData(Logged.Dsse2)]
    internal void A_genuine_entry_of_another_signature_is_refused(Logged logged)
    {
        var (ours, other) = (Sigstore.Sign(logged), Sigstore.Sign(logged));
        Assert.Contains("it is for another signature", Check(ours with { LogEntries = other.LogEntries }).Why);
        Assert.Contains("it is for another key or certificate", Check(ours, signer: other.Certificate).Why);
        Assert.Contains("it is for content", Check(ours with { SignedBytes = "x"u8.ToArray(), Payload = "x"u8.ToArray() }).Why);
    }

    [Fact]
    public void Log_entry_with_another_certificate_of_the_same_key_is_refused()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var one = Sigstore.Fulcio.Issue(key, new LeafOptions());
        using var two = Sigstore.Fulcio.Issue(key, new LeafOptions { Uri = "https://github.com/evil/app" });
        var material = Sigstore.Sign(key, one, Logged.Dsse, null, TestSigstore.Signed);
        Assert.Contains("another key or certificate", Check(material with { Certificate = two.RawData }).Why);
    }

    [Fact]
    public void Repeated_log_entry_is_refused()
    {
        var material = Sigstore.Sign();
        var twice = material with { LogEntries = [.. material.LogEntries, .. material.LogEntries] };
        Assert.Equal("expected each log entry once, got one twice", Check(twice).Why);
        var many = Enumerable.Range(0, 33).Select(i => material.LogEntries[0] with { LogIndex = i });
        Assert.Equal("33 log entries, expected at most 32", Check(material with { LogEntries = [.. many] }).Why);
    }

    [Fact]
    public void Log_entry_of_an_unknown_log_is_ignored()
    {
        var material = Sigstore.Sign();
        var strange = material.LogEntries[0] with { LogId = new byte[32] };
        var why = $"the log entry is of log {new string('0', 64)}, which no trusted root names";
        Assert.Equal(why, Check(material with { LogEntries = [strange] }).Why);
        Assert.Single(Check(material with { LogEntries = [strange, .. material.LogEntries] }).Logs);
    }

    [Fact]
    public void Two_entries_of_one_log_count_as_one_log()
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var material = Sigstore.Sign(key, Sigstore.Fulcio.Issue(key, new LeafOptions()), Logged.Dsse, null, TestSigstore.Signed);
        var body = Encoding.UTF8.GetString(material.LogEntries[0].CanonicalizedBody.Span);
        var again = Sigstore.Rekor.Append("dsse", "0.0.1", body, TestSigstore.Signed);
        Assert.Single(Check(material with { LogEntries = [.. material.LogEntries, again] }).Logs);
    }

    [Fact]
    public void Bad_entry_of_a_known_log_invalidates_the_others()
    {
        var material = Sigstore.Sign();
        var bad = material.LogEntries[0] with { LogIndex = 7 };
        Assert.Contains("signed entry timestamp", Check(material with { LogEntries = [.. material.LogEntries, bad] }).Why);
    }

    public static TheoryData<string, string> Tampered => new()
    {
        { "time", "its signed entry timestamp does not verify" },
        { "index", "its signed entry timestamp does not verify" },
        { "entry timestamp", "its signed entry timestamp does not verify" },
        { "entry timestamp by another log", "its signed entry timestamp does not verify" },
        { "no time", "it has a signed entry timestamp without a time" },
        { "huge index", "its index is not from 0 to 9007199254740991" },
        { "kind", "it is called 'hashedrekord 0.0.1' and is dsse 0.0.1" },
        { "body", "its body cannot be read" },
        { "neither", "it has no inclusion proof, which its format requires" },
        { "no checkpoint", "its proof has no checkpoint that can be read" },
        { "way", "its proof does not lead to the root" },
        { "position", "its proof does not lead to the root" },
        { "root", "its proof leads to another root than its checkpoint" },
        { "size", "its proof leads to another root than its checkpoint" },
        { "another leaf's proof", "its proof does not lead to the root" },
        { "checkpoint by another key", "the checkpoint has no signature by log 'https://rekor.test.example'" },
        { "checkpoint signature", "the checkpoint's signature by log 'https://rekor.test.example' does not verify" },
        { "checkpoint of another log", "the checkpoint is of 'evil.example', expected 'https://rekor.test.example'" },
    };

    [Theory]
    [MemberData(nameof(Tampered))]
    public void Changed_part_of_an_entry_is_detected_and_named(string what, string why) =>
        Assert.Contains(why, Check(Of(Sigstore.Sign(Logged.Dsse), e => Tamper(e, what))).Why);

    private static LogEntry Tamper(LogEntry entry, string what) => what switch
    {
        "time" => entry with { IntegratedTime = entry.IntegratedTime!.Value.AddSeconds(1) },
        "index" => entry with { LogIndex = entry.LogIndex + 1 },
        "entry timestamp" => entry with { SignedEntryTimestamp = Flip(entry.SignedEntryTimestamp!.Value, 20) },
        "entry timestamp by another log" => entry with
        {
            SignedEntryTimestamp = new TestRekor("x", TestLogKey.Ecdsa(), false).EntryTimestamp(entry),
        },
        "no time" => entry with { IntegratedTime = null },
        "huge index" => entry with { LogIndex = 1L << 53 },
        "kind" => entry with { Kind = "hashedrekord" },
        "body" => entry with { CanonicalizedBody = "{}"u8.ToArray() },
        "neither" => entry with { SignedEntryTimestamp = null, Proof = null },
        _ => entry with { Proof = Tamper(entry.Proof!, what) },
    };

    private static InclusionProof Tamper(InclusionProof proof, string what) => what switch
    {
        "no checkpoint" => proof with { Checkpoint = null },
        "way" => proof with { Hashes = [.. proof.Hashes.Select(h => Flip(h, 5))] },
        "position" => proof with { LogIndex = proof.LogIndex - 1 },
        "root" => proof with { RootHash = Flip(proof.RootHash, 0) },
        "size" => proof with { TreeSize = proof.TreeSize + 1 },
        "another leaf's proof" => Sigstore.Rekor.Prove(3),
        "checkpoint by another key" => proof with { Checkpoint = Sign(proof, by: TestLogKey.Ecdsa()) },
        "checkpoint signature" => proof with { Checkpoint = SwapSignature(proof) },
        "checkpoint of another log" => proof with { Checkpoint = Sign(proof, origin: "evil.example", name: "evil.example") },
        _ => throw new ArgumentOutOfRangeException(nameof(what)),
    };

    [Theory]
    [InlineData("entry timestamp", "it has a signed entry timestamp, which Rekor v2 does not issue")]
    [InlineData("no proof", "it has no inclusion proof, which its format requires")]
    [InlineData("index", "its proof is for index")]
    [InlineData("origin", "the checkpoint is of 'other.example', expected 'https://log2026-1.rekor.test.example'")]
    public void Entry_of_Rekor_v2_has_a_proof_and_no_signed_entry_timestamp(string what, string why)
    {
        var material = Of(Sigstore.Sign(Logged.Rekord2), e => what switch
        {
            "entry timestamp" => e with { SignedEntryTimestamp = new byte[70], IntegratedTime = TestSigstore.Signed },
            "no proof" => e with { Proof = null },
            "index" => e with { LogIndex = e.LogIndex + 1 },
            _ => e with { Proof = e.Proof! with { Checkpoint = OfAnotherName(e.Proof) } },
        });
        Assert.Contains(why, Check(material).Why);
    }

    private static string OfAnotherName(InclusionProof proof) =>
        Sigstore.Rekor2.Checkpoint(proof.TreeSize, proof.RootHash.ToArray(), "other.example", by: null, "other.example");

    [Fact]
    public void Signed_entry_timestamp_outside_the_validity_of_the_log_key_is_refused()
    {
        var log = Sigstore.Root.SignatureLogs[0];
        var material = Sigstore.Sign();
        LogCheck Within(DateTimeOffset start, DateTimeOffset? end) => TransparencyLog.Check(
            material, material.Certificate!.Value.Span, TlogMode.Require, [log with { ValidFor = new(start, end) }]);
        Assert.True(Within(TestSigstore.Signed, TestSigstore.Signed).IsLogged);
        Assert.Contains("the log's key is trusted from", Within(TestSigstore.Signed.AddSeconds(1), null).Why);
        Assert.Contains("the log's key is trusted from", Within(TestSigstore.Issued, TestSigstore.Signed.AddSeconds(-1)).Why);
    }

    [Theory]
    [InlineData("{\"apiVersion\":\"0.0.3\",\"kind\":\"hashedrekord\",\"spec\":{}}", "got 'hashedrekord 0.0.3'")]
    [InlineData("{\"apiVersion\":\"0.0.1\",\"kind\":\"rekord\",\"spec\":{}}", "got 'rekord 0.0.1'")]
    [InlineData("{\"spec\":{},\"apiVersion\":\"0.0.1\",\"kind\":\"dsse\"}", "got ' '")]
    [InlineData("{\"apiVersion\":\"0.0.1\",\"kind\":\"dsse\"}", "spec: expected one, got none")]
    [InlineData("{\"apiVersion\":\"0.0.1\",\"kind\":\"dsse\",\"kind\":\"dsse\",\"spec\":{}}", "once, got it twice")]
    public void Log_entry_of_an_unknown_kind_is_refused(string body, string why)
    {
        var material = Sigstore.Sign(Logged.Nowhere);
        var entry = Sigstore.Rekor.Append("dsse", "0.0.1", body, TestSigstore.Signed) with { Kind = null };
        Assert.Contains(why, Check(material with { LogEntries = [entry] }).Why);
    }

    [Fact]
    public void Log_entry_with_two_signatures_is_refused()
    {
        var material = Sigstore.Sign(Logged.Dsse);
        var body = Encoding.UTF8.GetString(material.LogEntries[0].CanonicalizedBody.Span);
        var start = body.IndexOf("\"signatures\":[", StringComparison.Ordinal) + "\"signatures\":[".Length;
        var signature = body[start..body.IndexOf(']', start)];
        var twice = Sigstore.Rekor.Append("dsse", "0.0.1", body[..start] + signature + "," + body[start..], TestSigstore.Signed);
        Assert.Contains("it has 2 signatures, expected one", Check(material with { LogEntries = [twice] }).Why);
    }

    private static LogCheck Check(
        SignatureMaterial material, TlogMode mode = TlogMode.Require, bool hasRoot = true, ReadOnlyMemory<byte>? signer = null) =>
        TransparencyLog.Check(material, (signer ?? material.Certificate!.Value).Span, mode, hasRoot ? Sigstore.Root.SignatureLogs : []);

    private static SignatureMaterial Of(SignatureMaterial material, Func<LogEntry, LogEntry> change) =>
        material with { LogEntries = [change(material.LogEntries[0])] };

    private static byte[] Flip(ReadOnlyMemory<byte> bytes, int at)
    {
        var changed = bytes.ToArray();
        changed[at] ^= 0x01;
        return changed;
    }

    private static string Sign(InclusionProof proof, string? origin = null, TestLogKey? by = null, string? name = null) =>
        Sigstore.Rekor.Checkpoint(proof.TreeSize, proof.RootHash.ToArray(), origin, by, name);

    // A valid signature by the log, of another checkpoint.
    private static string SwapSignature(InclusionProof proof)
    {
        var other = Sigstore.Rekor.Checkpoint(1, new byte[32]);
        return proof.Checkpoint![..proof.Checkpoint!.IndexOf('\u2014')] + other[other.IndexOf('\u2014')..];
    }
}
