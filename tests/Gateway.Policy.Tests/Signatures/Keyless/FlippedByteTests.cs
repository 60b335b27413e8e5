using Gateway.Policy.Signatures;
using Gateway.Policy.Tests.Signatures.Keyless.Sigstore;
using Xunit;

namespace Gateway.Policy.Tests.Signatures.Keyless;

/// <summary>One changed byte anywhere in a signature or its bundle: it does not count, and no exception escapes.</summary>
public sealed class FlippedByteTests
{
    private const int Step = 17; // every byte takes minutes; a prime, so that it falls into step with no field
    private static readonly TestSigstore Sigstore = TestSigstore.Shared;

    public static TheoryData<string> Parts =>
        [.. "signed,signature,certificate,body,entry timestamp,way,root,checkpoint,logId,stamp".Split(',')];

    [Theory]
    [MemberData(nameof(Parts))]
    public void Flipped_byte_is_detected(string part)
    {
        var material = Sigstore.Sign(part is "stamp" ? Logged.Rekord2 : Logged.Dsse);
        Assert.True(Sigstore.Verify(material).Checked.IsTrusted);
        var length = BytesOf(material, part).Length;
        for (var i = 0; i < length; i += length > 200 ? Step : 1)
        {
            var check = Sigstore.Verify(With(material, part, Flip(BytesOf(material, part), i)));
            var isSigned = part != "stamp" || IsSigned(material.Timestamps[0].Span, i);
            if (isSigned) Assert.False(check.Checked.IsTrusted, $"byte {i} of {part} of {length}: {check.Checked.Why}");
            else Assert.Equal(TestSigstore.Signed, check.SignedAt ?? TestSigstore.Signed);
        }
    }

    // In a time stamp response, the signed parts are the TSTInfo, from its type on, and the signature at the end. The rest (status, CMS's
    // version and list of hashes, included certificates, the signer's name) can change: the result is the same time or none.
    private static bool IsSigned(ReadOnlySpan<byte> stamp, int index)
    {
        const int signature = 60; // less than any of P-256 has
        var content = stamp.IndexOf(Convert.FromHexString("060b2a864886f70d0109100104")); // id-ct-TSTInfo
        var certificates = stamp.IndexOf(Sigstore.Stamper.Certificate.RawData) - 4; // behind their tag and length
        return (index >= content && index < certificates) || index >= stamp.Length - signature;
    }

    private static byte[] Flip(ReadOnlyMemory<byte> bytes, int index)
    {
        var changed = bytes.ToArray();
        changed[index] ^= 0x01;
        return changed;
    }

    private static ReadOnlyMemory<byte> BytesOf(SignatureMaterial material, string part) => part switch
    {
        "signed" => material.SignedBytes,
        "signature" => material.Signature,
        "certificate" => material.Certificate!.Value,
        "stamp" => material.Timestamps[0],
        "body" => material.LogEntries[0].CanonicalizedBody,
        "entry timestamp" => material.LogEntries[0].SignedEntryTimestamp!.Value,
        "logId" => material.LogEntries[0].LogId,
        "root" => material.LogEntries[0].Proof!.RootHash,
        "way" => material.LogEntries[0].Proof!.Hashes[0],
        _ => System.Text.Encoding.UTF8.GetBytes(material.LogEntries[0].Proof!.Checkpoint!),
    };

    private static SignatureMaterial With(SignatureMaterial material, string part, byte[] bytes) => part switch
    {
        "signed" => material with { SignedBytes = bytes },
        "signature" => material with { Signature = bytes },
        "certificate" => material with { Certificate = bytes },
        "stamp" => material with { Timestamps = [bytes] },
        _ => material with { LogEntries = [With(material.LogEntries[0], part, bytes)] },
    };

    private static LogEntry With(LogEntry entry, string part, byte[] bytes) => part switch
    {
        "body" => entry with { CanonicalizedBody = bytes },
        "entry timestamp" => entry with { SignedEntryTimestamp = bytes },
        "logId" => entry with { LogId = bytes },
        "root" => entry with { Proof = entry.Proof! with { RootHash = bytes } },
        "way" => entry with { Proof = entry.Proof! with { Hashes = entry.Proof!.Hashes.SetItem(0, bytes) } },
        _ => entry with { Proof = entry.Proof! with { Checkpoint = System.Text.Encoding.UTF8.GetString(bytes) } },
    };
}
