using System.Security.Cryptography;
using System.Text;
using Gateway.Oci;
using Gateway.Policy.Signatures;
using Xunit;
using static Gateway.Policy.Tests.Signatures.Forged.Forgery;

namespace Gateway.Policy.Tests.Signatures.Forged;

/// <summary>
/// Forged signatures and attestations by key, in every format: each is refused for its own reason, and its genuine original is admitted.
/// </summary>
public sealed class ForgedByKeyTests
{
    private const string NotVerified = "expected a signature by key a";
    private static readonly string OtherDigest = Forge.Other.ToString();
    private static readonly string Hex = Forge.Subject.Hex.ToString();

    internal static readonly Forgery[] Forgeries =
    [
        // Another signer.
        new("by an untrusted key", ReasonCodes.SigBad, NotVerified, d => d with { Key = Draft.Stranger }) { Can = f => !f.IsBundle },
        new("by an untrusted key with its own hint", ReasonCodes.SigNoTrusted, "got one by SHA256:",
            d => d with { Key = Draft.Stranger }) { Can = f => f.IsBundle },
        new("by an untrusted key with the hint of the trusted key", ReasonCodes.SigBad, NotVerified,
            d => d with { Key = Draft.Stranger, Hinted = Draft.Release }) { Can = f => f.IsBundle },

        // Another subject.
        new("of another digest", ReasonCodes.SigWrongDigest, "expected a signature of sha256:", d => d with { Digest = OtherDigest }),
        new("of the digest in capitals", ReasonCodes.SigWrongDigest, "expected a signature of sha256:",
            d => d with { Digest = "sha256:" + Hex.ToUpperInvariant() }),
        new("of a truncated digest", ReasonCodes.SigWrongDigest, "expected a signature of sha256:",
            d => d with { Digest = "sha256:" + Hex[..32] }),
        new("of the digest under another algorithm", ReasonCodes.SigWrongDigest, "expected a signature of sha256:",
            d => d with { Digest = "sha512:" + Hex }),
        new("of an index, presented for its child", ReasonCodes.SigWrongDigest, "expected a signature of sha256:",
            d => d with { Asked = Forge.Other }),
        new("for another repository", ReasonCodes.SigWrongReference, "got one for 'registry.example/dev/app'",
            d => d with { Reference = "registry.example/dev/app" })
        {
            Can = f => f.IsSimple, Honest = d => d with { Binding = BindReference.Required },
        },
        new("for no repository", ReasonCodes.SigWrongReference, "names no repository",
            d => d with { Reference = "", Binding = BindReference.Required })
        {
            Can = f => f.IsSimple, Honest = d => d with { Binding = BindReference.Optional },
        },
        new("in a format without a repository", ReasonCodes.SigWrongReference, "names no repository",
            d => d with { Binding = BindReference.Required })
        {
            Can = f => f is { IsBundle: true, IsAttestation: false }, Honest = d => d with { Binding = BindReference.Optional },
        },

        // A valid signature over other bytes.
        new("payload swapped", ReasonCodes.SigBad, NotVerified, d => d with
        {
            Digest = OtherDigest, Payload = p => Replace(p, OtherDigest[7..], Hex),
        }),
        new("payload with an extra blank", ReasonCodes.SigBad, NotVerified, d => d with { Payload = p => [.. p, (byte)' '] }),
        new("over the hash of the content", ReasonCodes.SigBad, NotVerified,
            d => d with { Over = (signed, _) => SHA256.HashData(signed) }),
        new("over empty content", ReasonCodes.SigBad, NotVerified, d => d with { Over = (_, _) => [] }),
        new("over the payload without its type", ReasonCodes.SigBad, NotVerified,
            d => d with { Over = (_, content) => content }) { Can = f => !f.IsSimple },
        new("over another length", ReasonCodes.SigBad, NotVerified,
            d => d with { Over = (_, c) => Draft.Pae(c, EvidenceTypes.InToto, 0) }) { Can = f => !f.IsSimple },
        new("over another type", ReasonCodes.SigBad, NotVerified,
            d => d with { Over = (_, c) => Draft.Pae(c, "text/plain") }) { Can = f => !f.IsSimple },

        // Something similar to a signature.
        new("first bit of r", ReasonCodes.SigBad, NotVerified, d => d with { Signature = s => Flip(s, 6) }),
        new("last bit of s", ReasonCodes.SigBad, NotVerified, d => d with { Signature = s => Flip(s, -1) }),
        new("truncated", ReasonCodes.SigBad, NotVerified, d => d with { Signature = s => s[..^1] }),
        new("trailing bytes", ReasonCodes.SigBad, NotVerified, d => d with { Signature = s => [.. s, 0] }),
        new("of two zeros", ReasonCodes.SigBad, NotVerified, d => d with { Signature = _ => [0x30, 6, 2, 1, 0, 2, 1, 0] }),
        new("empty signature", ReasonCodes.SigBad, NotVerified, d => d with { Signature = _ => [] }) { Can = f => !f.IsSimple },
        new("without a signature", ReasonCodes.SigBad, "expected the annotation",
            d => d with { Signature = _ => [] }) { Can = f => f.IsSimple },
        new("two concatenated numbers", ReasonCodes.SigBad, NotVerified,
            d => d with { Encoding = DSASignatureFormat.IeeeP1363FixedFieldConcatenation }),
        new("by another hash", ReasonCodes.SigBad, NotVerified, d => d with { Hash = HashAlgorithmName.SHA512 }),
        new("by SHA-1", ReasonCodes.SigBad, NotVerified, d => d with { Hash = HashAlgorithmName.SHA1 }),

        // A valid signature of a statement of another kind.
        new("attestation for signature", ReasonCodes.SigWrongPredicate, "an attestation",
            d => d with { Type = Forge.Slsa }) { Can = f => f is { IsSimple: false, IsAttestation: false } },
        new("note for signature", ReasonCodes.SigWrongPredicate, "expected critical.type",
            d => d with { Type = "note" }) { Can = f => f.IsSimple },
        new("signature for attestation", ReasonCodes.AttNone, "no attestation",
            d => d with { Type = EvidenceTypes.SignPredicate }) { Can = f => f.IsAttestation },
        new("other predicate", ReasonCodes.AttNone, "no attestation",
            d => d with { Type = Forge.Slsa + ".1" }) { Can = f => f.IsAttestation },
        new("predicate with another value", ReasonCodes.AttPredicateFailed, "$.result",
            d => d with { Predicate = """{"result":"fail"}""" })
        {
            Can = f => f.IsAttestation, Honest = d => d with { Where = [new("$.result", new(TextComparison.Exact, "pass"))] },
        },

        // A valid signature of ambiguous content.
        new("duplicate key", ReasonCodes.SigBad, "twice", d => d with { Content = c => "{\"critical\":{},\"_type\":\"x\"," + c[1..] }),
        new("key in another case", ReasonCodes.SigBad, "to some readers and unknown to others",
            d => d with { Content = c => "{\"Critical\":{},\"Subject\":[]," + c[1..] }),
        new("bytes after the document", ReasonCodes.SigBad, "after a single JSON value", d => d with { Content = c => c + "{}" }),
        new("truncated document", ReasonCodes.SigBad, "end of the JSON payload", d => d with { Content = c => c[..^1] }),
        new("statement of an unknown version", ReasonCodes.SigBad, "_type: expected an in-toto statement",
            d => d with { Content = c => c.Replace("Statement/v1", "Statement/v9", StringComparison.Ordinal) }) { Can = f => !f.IsSimple },
        new("bundle of an unknown version", ReasonCodes.SigBad, "mediaType: expected",
            d => d with { Document = t => t.Replace("bundle.v0.3", "bundle.v0.4", StringComparison.Ordinal) }) { Can = f => f.IsBundle },
        new("truncated envelope", ReasonCodes.SigBad, "end of the JSON payload",
            d => d with { Document = t => t[..^1] }) { Can = f => !f.IsSimple },
        new("envelope of two signatures", ReasonCodes.SigBad, "exactly one signature",
            d => d with { Document = t => t.Replace("[{\"sig\":", "[{\"sig\":\"AAAA\"},{\"sig\":", StringComparison.Ordinal) })
        { Can = f => !f.IsSimple },
        new("envelope of another type", ReasonCodes.SigBad, "payloadType",
            d => d with { Document = t => t.Replace("in-toto\\u002Bjson", "json", StringComparison.Ordinal) }) { Can = f => !f.IsSimple },
        new("too large payload", ReasonCodes.EvidenceBudget, "bytes of",
            d => d with { Payload = p => [.. p, .. Blanks(EvidenceBudget.MaxPayload)] }) { Can = f => f.IsSimple },
        new("too large envelope", ReasonCodes.EvidenceBudget, "bytes of",
            d => d with { Document = t => t + new string(' ', EvidenceBudget.MaxAttestation) }) { Can = f => !f.IsSimple },

        // One signer counted as two.
        new("the same signer twice", ReasonCodes.SigNoTrusted, "1 of 2 signers", d => d with { Beside = [Another(d, Draft.Release)] })
        {
            Honest = d => d with { AtLeast = 2, Beside = [Another(d, Draft.Second)] },
        },
        new("one key under two names", ReasonCodes.SigNoTrusted, "1 of 2 signers",
            d => d with { IsTwiceConfigured = true, Beside = [Another(d, Draft.Release)] })
        {
            Honest = d => d with { AtLeast = 2, Beside = [Another(d, Draft.Second)] },
        },

        // A key outside its validity.
        new("after its key was retired", ReasonCodes.SigKeyRetired, "after the key was retired", d => d with { Seen = Forge.Now })
        {
            Honest = d => d with { Seen = Forge.Now.AddDays(-9), Life = k => k with { RetiredAt = Forge.Now.AddDays(-1) } },
        },
        new("before its key was valid", ReasonCodes.SigTimeInvalid, "before the key's notBefore",
            d => d with { Seen = Forge.Now.AddDays(-9) })
        {
            Honest = d => d with { Seen = Forge.Now, Life = k => k with { NotBefore = Forge.Now.AddDays(-1) } },
        },
        new("by a revoked key", ReasonCodes.SigKeyRevoked, "is revoked",
            d => d with { Life = k => k with { RevokedAt = Forge.Now.AddYears(9) } }),

        // A log with other content.
        new("without a log entry", ReasonCodes.SigTlogInvalid, "a log entry is required",
            d => d with { IsLogged = false }) { Honest = Logged },
        new("with the entry of an older signature", ReasonCodes.SigTlogInvalid, "it is for another signature",
            d => d with { Entry = _ => Older(d) }) { Honest = Logged },
        new("with an entry of a log that is not pinned", ReasonCodes.SigTlogInvalid, "which no trusted root names",
            d => d with { Entry = e => e with { LogId = new byte[32] } }) { Honest = Logged },
        new("with another time", ReasonCodes.SigTlogInvalid, "signed entry timestamp",
            d => d with { Entry = e => e with { IntegratedTime = e.IntegratedTime!.Value.AddDays(-30) } }) { Honest = Logged },
        new("with another log index", ReasonCodes.SigTlogInvalid, "signed entry timestamp",
            d => d with { Entry = e => e with { LogIndex = e.LogIndex + 1 } }) { Honest = Logged },
    ];

    public static TheoryData<string, string> Vectors => Forgery.Vectors(Form.ByKey, Forgeries);

    [Theory]
    [MemberData(nameof(Vectors))]
    public void Forged_signature_is_refused_for_its_own_reason(string form, string forgery) =>
        Forgeries.Single(f => f.Name == forgery).AssertRefused(new(Form.ByKey.Single(f => f.Name == form)));

    [Fact]
    public void There_are_at_least_150_distinct_forgeries() =>
        Assert.InRange(Form.ByKey.Sum(form => Forgeries.Where(f => f.Can(form)).DistinctBy(f => f.Name).Count()), 150, 1000);

    private static Draft Logged(Draft draft) => draft with { IsLogged = true, Tlog = TlogMode.Require };

    private static Draft Another(Draft draft, ECDsa key) => draft with { Key = key, Beside = [] };

    /// <summary>A genuine entry about the same content, of an earlier signature.</summary>
    private static LogEntry Older(Draft draft)
    {
        LogEntry? entry = null;
        (draft with { Entry = e => entry = e }).Ask();
        return entry!;
    }

    private static byte[] Replace(byte[] bytes, string from, string to) =>
        Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(bytes).Replace(from, to, StringComparison.Ordinal));

    private static byte[] Blanks(int count) => Encoding.ASCII.GetBytes(new string(' ', count));
}
