using System.Text;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Keyless;

/// <summary>Checkpoints of logs: read in one form only, and trusted only from the log itself.</summary>
public sealed class CheckpointTests
{
    private const string Root = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    private static readonly TestSigstore Sigstore = TestSigstore.Shared;
    private static readonly PinnedLog Log = Sigstore.Root.SignatureLogs[0];
    private static readonly PinnedLog Log2 = Sigstore.Root.SignatureLogs[1];

    [Fact]
    public void Checkpoints_of_both_Rekor_versions_verify_with_ECDSA_and_Ed25519()
    {
        Assert.Null(Read(Sigstore.Rekor.Checkpoint(7, new byte[32])).ProblemWith(Log));
        Assert.Null(Read(Sigstore.Rekor2.Checkpoint(7, new byte[32])).ProblemWith(Log2));
        Assert.NotNull(Read(Sigstore.Rekor2.Checkpoint(7, new byte[32])).ProblemWith(Log));
        Assert.NotNull(Read(Sigstore.Rekor.Checkpoint(7, new byte[32])).ProblemWith(Log2));
    }

    [Fact]
    public void Checkpoint_of_Rekor_v1_by_Ed25519_verifies()
    {
        var rekor = new TestRekor("rekor.test.example", TestLogKey.Ed25519(), isVersion2: false);
        var log = Log with { Key = rekor.Key.Public, Hash = SignatureHash.Sha512 };
        Assert.Null(Read(rekor.Checkpoint(7, new byte[32])).ProblemWith(log));
    }

    [Fact]
    public void Witness_signatures_are_ignored_at_any_position()
    {
        var checkpoint = Sigstore.Rekor2.Checkpoint(7, new byte[32]);
        var split = checkpoint.IndexOf('\u2014');
        const string witness = "\u2014 witness.example O8PH5AAAAABopO8+\n";
        Assert.Null(Read(checkpoint + witness).ProblemWith(Log2));
        Assert.Null(Read(checkpoint[..split] + witness + checkpoint[split..]).ProblemWith(Log2));
        Assert.Contains("it has 'witness.example' 3bc3c7e4", Read(checkpoint[..split] + witness).ProblemWith(Log2));
    }

    [Fact]
    public void Second_signature_in_the_name_of_the_log_by_an_unknown_key_is_ignored()
    {
        var ours = Sigstore.Rekor2.Checkpoint(7, new byte[32]);
        var other = Sigstore.Rekor2.Checkpoint(7, new byte[32], by: TestLogKey.Ed25519());
        Assert.Null(Read(ours + other[other.IndexOf('\u2014')..]).ProblemWith(Log2));
        Assert.Contains("has no signature by", Read(other).ProblemWith(Log2));
    }

    [Fact]
    public void Extension_lines_are_part_of_the_signed_text()
    {
        var text = $"rekor.test.example - 1\n7\n{Root}\nTimestamp: 1689177396617352539\n";
        var key = Sigstore.Rekor.Key;
        byte[] line = [.. System.Security.Cryptography.SHA256.HashData(key.Spki)[..4], .. key.Sign(Encoding.UTF8.GetBytes(text))];
        var note = $"{text}\n\u2014 rekor.test.example {Convert.ToBase64String(line)}\n";
        Assert.Null(Read(note).ProblemWith(Log));
        Assert.NotNull(Read(note.Replace("1689", "1690")).ProblemWith(Log));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n\n")]
    [InlineData("a\n1\n" + Root + "\n\n")]
    [InlineData("a\n1\n" + Root + "\n\n\n")]
    [InlineData("a\n1\n" + Root + "\n\u2014 a AAAAAAA=\n")]
    [InlineData("1\n" + Root + "\n\n\u2014 a AAAAAAA=\n")]
    [InlineData("a\n" + Root + "\n\n\u2014 a AAAAAAA=\n")]
    [InlineData("a\n01\n" + Root + "\n\n\u2014 a AAAAAAA=\n")]
    [InlineData("a\n-1\n" + Root + "\n\n\u2014 a AAAAAAA=\n")]
    [InlineData("a\n99999999999999999999\n" + Root + "\n\n\u2014 a AAAAAAA=\n")]
    [InlineData("a\n1\nAAAA\n\n\u2014 a AAAAAAA=\n")]
    [InlineData("a\n1\n" + Root + "\n\n\u2014 a AAAAAAA=")]
    [InlineData("a\n1\n" + Root + "\n\n- a AAAAAAA=\n")]
    [InlineData("a\n1\n" + Root + "\n\n\u2014 a AAAA\n")]
    [InlineData("a\n1\n" + Root + "\n\n\u2014 a AAAAAAB=\n")]
    [InlineData("a\n1\n" + Root + "\n\n\u2014  AAAAAAA=\n")]
    [InlineData("a\n1\n" + Root + "\n\n\u2014 a ***\n")]
    public void Malformed_checkpoint_is_refused(string note) => Assert.Null(Checkpoint.Read(note));

    [Fact]
    public void Checkpoint_with_too_many_signatures_is_refused()
    {
        var lines = string.Concat(Enumerable.Repeat("\u2014 a AAAAAAA=\n", 101));
        Assert.Null(Checkpoint.Read($"a\n1\n{Root}\n\n{lines}"));
        Assert.NotNull(Checkpoint.Read($"a\n1\n{Root}\n\n{lines[..(lines.Length / 101 * 100)]}"));
    }

    private static Checkpoint Read(string note)
    {
        var checkpoint = Checkpoint.Read(note);
        Assert.NotNull(checkpoint);
        return checkpoint;
    }
}
