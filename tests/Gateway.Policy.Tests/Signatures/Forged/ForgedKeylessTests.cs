using System.Collections.Immutable;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Gateway.Policy.Signatures;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;
using Xunit;
using static Gateway.Policy.Tests.Signatures.Forged.Forgery;

namespace Gateway.Policy.Tests.Signatures.Forged;

/// <summary>
/// Forged keyless signatures and attestations, in every format: each is refused for its own reason, and its genuine original is admitted.
/// </summary>
public sealed class ForgedKeylessTests
{
    private const string NotOver = "the signature is not over this content";
    private static readonly string OtherDigest = Forge.Other.ToString();
    private static readonly string Hex = Forge.Subject.Hex.ToString();
    private static readonly TestFulcio Strangers = new(TestSigstore.Issued.AddYears(-1), TimeSpan.FromDays(3650));
    private static readonly TestStamper StrangersClock = new(TestSigstore.Issued.AddYears(-1), TimeSpan.FromDays(3650));

    internal static readonly Forgery[] Forgeries =
    [
        // A certificate of another signer, or for another purpose.
        new("by a self-made authority", ReasonCodes.SigNoTrusted, "no path to 'https://fulcio.test.example'",
            d => Leaf(d with { Fulcio = Strangers }, l => l with { SctBy = Draft.Sigstore.Fulcio.Log })),
        new("by another issuer", ReasonCodes.SigNoTrusted, "https://evil.example",
            d => Leaf(d, l => l with { IssuerString = "https://evil.example" })),
        new("by another subject", ReasonCodes.SigNoTrusted, "https://github.com/evil/app",
            d => Leaf(d, l => l with { Uri = "https://github.com/evil/app" })),
        new("by a subject with the same start", ReasonCodes.SigNoTrusted, ".evil'",
            d => Leaf(d, l => l with { Uri = TestSigstore.Workflow + ".evil" })),
        new("by a subject with the same end", ReasonCodes.SigNoTrusted, "https://evil.example/",
            d => Leaf(d, l => l with { Uri = "https://evil.example/" + TestSigstore.Workflow })),
        new("by a subject of another kind", ReasonCodes.SigNoTrusted, "evil@example.com",
            d => Leaf(d, l => l with { Uri = null, Email = "evil@example.com" })),
        new("without an identity", ReasonCodes.SigNoTrusted, "name", d => Leaf(d, l => l with { Uri = null })),
        new("without a required claim", ReasonCodes.SigNoTrusted, "1.3.6.1.4.1.57264.1.11",
            d => Leaf(d, l => l with { Claims = new() { ["1.3.6.1.4.1.57264.1.11"] = "self-hosted" } }))
        {
            Honest = d => d with
            {
                Identity = new("root", TestSigstore.Issuer)
                {
                    Subject = TestSigstore.Workflow,
                    Claims = ImmutableSortedDictionary<string, string>.Empty.Add("1.3.6.1.4.1.57264.1.11", "github-hosted"),
                },
            },
        },
        new("by a certificate for servers", ReasonCodes.SigNoTrusted, "lacks the extended key usage",
            d => Leaf(d, l => l with { Usages = ["1.3.6.1.5.5.7.3.1"] })),
        new("by a certificate for any purpose", ReasonCodes.SigNoTrusted, "lacks the extended key usage",
            d => Leaf(d, l => l with { Usages = [] })),
        new("by a certificate without digitalSignature", ReasonCodes.SigNoTrusted, "lacks the key usage",
            d => Leaf(d, l => l with { KeyUsage = X509KeyUsageFlags.KeyEncipherment })),
        new("by an authority's certificate", ReasonCodes.SigNoTrusted, "is an authority's", d => Leaf(d, l => l with
        {
            IsAuthority = true, KeyUsage = X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyCertSign,
        })),
        new("by a certificate without a timestamp", ReasonCodes.SigNoTrusted, "certificate", d => Leaf(d, l => l with { HasSct = false })),
        new("by a certificate with a timestamp of an unknown log", ReasonCodes.SigNoTrusted, "log",
            d => Leaf(d, l => l with { SctBy = TestLogKey.Ecdsa() })),
        new("by a key alone", ReasonCodes.SigNoTrusted, "expected a certificate", d => d with { Certificate = _ => null }),
        new("under the certificate of another key", ReasonCodes.SigBad, NotOver, d => d with { Certificate = _ => AnotherLeaf() }),
        new("under a malformed certificate", ReasonCodes.SigBad, "expected a certificate in DER",
            d => d with { Certificate = _ => [1, 2, 3] }),
        new("under a certificate with trailing bytes", ReasonCodes.SigBad, "expected a certificate in DER",
            d => d with { Certificate = der => [.. der!, 0] }) { Can = f => f.IsBundle },

        // At another time.
        new("after the certificate expired", ReasonCodes.SigTimeInvalid, "the certificate is valid from",
            d => d with { At = TestSigstore.Issued.AddHours(1) }),
        new("before the certificate was valid", ReasonCodes.SigTimeInvalid, "the certificate is valid from",
            d => d with { At = TestSigstore.Issued.AddHours(-1) }),
        new("at a time that nothing proves", ReasonCodes.SigTimeInvalid, "no time",
            d => d with { Tlog = TlogMode.IfPresent, IsLogged = false }) { Can = f => !f.IsVersion2 },
        new("stamped over other bytes", ReasonCodes.SigTimeInvalid, "is not over this signature",
            d => d with { Stamped = _ => [1] }) { Can = f => f.IsVersion2 },
        new("stamped by an unknown time stamper", ReasonCodes.SigTimeInvalid, "by another certificate than",
            d => d with { Stamper = StrangersClock }) { Can = f => f.IsVersion2 },
        new("under a stale root", ReasonCodes.TrustStale, "not older than 365 days",
            d => d with { Now = TestSigstore.Signed.AddDays(366) }),

        // Another subject, or other bytes.
        new("of another digest", ReasonCodes.SigWrongDigest, "expected a signature of sha256:", d => d with { Digest = OtherDigest }),
        new("of an index, presented for its child", ReasonCodes.SigWrongDigest, "expected a signature of sha256:",
            d => d with { Asked = Forge.Other }),
        new("payload swapped", ReasonCodes.SigBad, NotOver,
            d => d with { Digest = OtherDigest, Payload = p => Replace(p, OtherDigest[7..], Hex) }),
        new("payload with an extra blank", ReasonCodes.SigBad, NotOver, d => d with { Payload = p => [.. p, (byte)' '] }),
        new("signature changed", ReasonCodes.SigBad, NotOver, d => d with { Signature = s => Flip(s, -1) }),
        new("over the payload without its type", ReasonCodes.SigBad, NotOver,
            d => d with { Over = (_, content) => content }) { Can = f => !f.IsSimple },
        new("attestation for signature", ReasonCodes.SigWrongPredicate, "an attestation",
            d => d with { Type = Forge.Slsa }) { Can = f => f is { IsSimple: false, IsAttestation: false } },
        new("note for signature", ReasonCodes.SigWrongPredicate, "expected critical.type",
            d => d with { Type = "note" }) { Can = f => f.IsSimple },
        new("signature for attestation", ReasonCodes.AttNone, "no attestation",
            d => d with { Type = EvidenceTypes.SignPredicate }) { Can = f => f.IsAttestation },

        // One signer as two.
        new("the same signer twice", ReasonCodes.SigNoTrusted, "1 of 2 signers",
            d => d with { Beside = [d with { Key = Draft.Second, Beside = [] }] })
        {
            Honest = d => d with
            {
                AtLeast = 2, Beside = [Leaf(d, l => l with { Uri = TestSigstore.Workflow + ".2" })],
                Identity = new("root", TestSigstore.Issuer) { SubjectPattern = TestSigstore.Workflow + "*" },
            },
        },

        // A log with other content.
        new("without a log entry", ReasonCodes.SigTlogInvalid, "a log entry is required", d => d with { IsLogged = false }),
        new("with the entry of an older signature", ReasonCodes.SigTlogInvalid, "it is for another", d => d with { Entry = _ => Older(d) }),
        new("with the entry of other content", ReasonCodes.SigTlogInvalid, "it is for content",
            d => d with { Entry = _ => Older(d with { Digest = OtherDigest }) }),
        new("with an entry of a log that is not pinned", ReasonCodes.SigTlogInvalid, "which no trusted root names",
            d => d with { Entry = e => e with { LogId = new byte[32] } }),
        new("with another time", ReasonCodes.SigTlogInvalid, "signed entry timestamp",
            d => d with { Entry = e => e with { IntegratedTime = e.IntegratedTime!.Value.AddSeconds(1) } }) { Can = f => !f.IsVersion2 },
        new("with another log index", ReasonCodes.SigTlogInvalid, "signed entry timestamp",
            d => d with { Entry = e => e with { LogIndex = e.LogIndex + 1 } }) { Can = f => !f.IsVersion2 },
        new("with a changed signed entry timestamp", ReasonCodes.SigTlogInvalid, "signed entry timestamp",
            d => d with { Entry = e => e with { SignedEntryTimestamp = Flip(e.SignedEntryTimestamp!.Value.ToArray(), -1) } })
        { Can = f => !f.IsVersion2 },
        new("with the tree position of another entry", ReasonCodes.SigTlogInvalid, "its proof",
            d => d with { Entry = e => e with { Proof = e.Proof! with { LogIndex = e.Proof.LogIndex - 1 } } }) { Can = f => f.IsBundle },
        new("with a proof to another root", ReasonCodes.SigTlogInvalid, "its proof",
            d => d with { Entry = e => e with { Proof = e.Proof! with { RootHash = new byte[32] } } }) { Can = f => f.IsBundle },
        new("with a checkpoint by another log", ReasonCodes.SigTlogInvalid, "checkpoint",
            d => d with { Entry = e => Checkpointed(e) }) { Can = f => f.IsBundle },
    ];

    public static TheoryData<string, string> Vectors => Forgery.Vectors(Form.Keyless, Forgeries);

    [Theory]
    [MemberData(nameof(Vectors))]
    public void Forged_signature_is_refused_for_its_own_reason(string form, string forgery) =>
        Forgeries.Single(f => f.Name == forgery).AssertRefused(new(Form.Keyless.Single(f => f.Name == form))
        {
            Leaf = new(), IsLogged = true, Now = TestSigstore.Signed.AddDays(30),
        });

    [Fact]
    public void There_are_at_least_150_distinct_forgeries() =>
        Assert.InRange(Form.Keyless.Sum(form => Forgeries.Where(f => f.Can(form)).DistinctBy(f => f.Name).Count()), 150, 1000);

    private static Draft Leaf(Draft draft, Func<LeafOptions, LeafOptions> change) => draft with { Leaf = change(draft.Leaf!), Beside = [] };

    private static byte[] AnotherLeaf()
    {
        using var leaf = Draft.Sigstore.Fulcio.Issue(Draft.Second, new());
        return leaf.RawData;
    }

    /// <summary>A genuine entry of a signature that was made before.</summary>
    private static LogEntry Older(Draft draft)
    {
        LogEntry? entry = null;
        (draft with { Entry = e => entry = e }).Ask();
        return entry!;
    }

    private static LogEntry Checkpointed(LogEntry entry)
    {
        var text = entry.Proof!.Checkpoint!;
        var stranger = new TestRekor("log.evil.example", TestLogKey.Ecdsa(), isVersion2: false);
        var other = stranger.Checkpoint(entry.Proof.TreeSize, entry.Proof.RootHash.ToArray());
        return entry with { Proof = entry.Proof with { Checkpoint = text[..text.IndexOf('\u2014')] + other[other.IndexOf('\u2014')..] } };
    }

    private static byte[] Replace(byte[] bytes, string from, string to) =>
        Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(bytes).Replace(from, to, StringComparison.Ordinal));
}
