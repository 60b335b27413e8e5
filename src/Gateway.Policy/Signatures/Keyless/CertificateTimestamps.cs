using System.Buffers.Binary;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Gateway.Policy.Signatures.Keyless;

/// <summary>
/// The signed timestamps of certificate-transparency logs in a certificate (RFC 6962 §3.3): each is over the certificate without these
/// timestamps. A certificate that was issued without publication has none.
/// </summary>
internal static class CertificateTimestamps
{
    private const string Extension = "1.3.6.1.4.1.11129.2.4.2"; // RFC 6962 §3.3
    private const int MaxTimestamps = 32; // chosen: Fulcio asks one log

    // A timestamp: version, log, milliseconds since 1970, extensions, and the signature after its two algorithm bytes (RFC 6962 §3.2).
    private sealed record Timestamp(
        byte[] LogId, ulong Milliseconds, byte[] Extensions, byte HashAlgorithm, byte KeyAlgorithm, byte[] Signature)
    {
        public DateTimeOffset Time => Milliseconds <= (ulong)DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()
            ? DateTimeOffset.FromUnixTimeMilliseconds((long)Milliseconds)
            : DateTimeOffset.MaxValue;
    }

    /// <summary>Why no pinned log logged this certificate; null when one did.</summary>
    public static string? ProblemOf(X509Certificate2 certificate, ReadOnlySpan<byte> issuerKey, TrustedRoot root)
    {
        var timestamps = Read(certificate);
        if (timestamps is null) return "the certificate's list of signed certificate timestamps (SCTs) cannot be read";
        if (timestamps.Count == 0) return "expected a signed certificate timestamp (SCT) in the certificate, got none";
        var (before, issuer) = (WithoutTimestamps(certificate), SHA256.HashData(issuerKey));
        var why = new List<string>();
        foreach (var timestamp in timestamps)
        {
            if (ProblemOf(timestamp, before, issuer, root) is not { } problem) return null;
            why.Add(problem);
        }
        return string.Join("; ", why.Distinct());
    }

    private static string? ProblemOf(Timestamp timestamp, byte[] before, byte[] issuer, TrustedRoot root)
    {
        if (root.CertificateLogs.FirstOrDefault(l => l.Id.Span.SequenceEqual(timestamp.LogId)) is not { } log)
            return $"the SCT is by log {Convert.ToHexStringLower(timestamp.LogId)}, which the trusted root does not name";
        if (!log.ValidFor.Contains(timestamp.Time))
            return $"{log} is trusted from {log.ValidFor}, its SCT is of {Moments.Text(timestamp.Time)}";
        const byte sha256 = 4; // RFC 5246 §7.4.1.4.1, as the next two
        var algorithm = log.Key.Algorithm switch { KeyAlgorithm.Rsa => 1, KeyAlgorithm.Ecdsa => 3, _ => -1 };
        if (timestamp.HashAlgorithm != sha256 || timestamp.KeyAlgorithm != algorithm)
            return $"the SCT is signed by another scheme than the key of {log}";
        return log.Key.Verify(Signed(timestamp, before, issuer), timestamp.Signature, SignatureHash.Sha256)
            ? null
            : $"the SCT by {log} is not for this certificate";
    }

    // RFC 6962 §3.2: version, kind of signature, time, kind of entry, the issuer's key hash, the certificate, the extensions.
    private static byte[] Signed(Timestamp timestamp, byte[] before, byte[] issuer)
    {
        var head = new byte[1 + 1 + sizeof(ulong) + sizeof(ushort)];
        BinaryPrimitives.WriteUInt64BigEndian(head.AsSpan(2), timestamp.Milliseconds);
        head[^1] = 1; // precert_entry
        byte[] length = [(byte)(before.Length >> 16), (byte)(before.Length >> 8), (byte)before.Length];
        byte[] extensions = [(byte)(timestamp.Extensions.Length >> 8), (byte)timestamp.Extensions.Length, .. timestamp.Extensions];
        return [.. head, .. issuer, .. length, .. before, .. extensions];
    }

    // The signed part of the certificate without the extension that contains the timestamps; all other bytes unchanged.
    private static byte[] WithoutTimestamps(X509Certificate2 certificate)
    {
        var body = new AsnReader(certificate.RawDataMemory, AsnEncodingRules.DER).ReadSequence().ReadSequence();
        var extensionsTag = new Asn1Tag(TagClass.ContextSpecific, 3, isConstructed: true);
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            while (body.HasData)
            {
                if (body.PeekTag() == extensionsTag) WriteOthers(writer, body.ReadSequence(extensionsTag).ReadSequence(), extensionsTag);
                else writer.WriteEncodedValue(body.ReadEncodedValue().Span);
            }
        }
        return writer.Encode();
    }

    private static void WriteOthers(AsnWriter writer, AsnReader extensions, Asn1Tag tag)
    {
        using var outer = writer.PushSequence(tag);
        using var inner = writer.PushSequence();
        while (extensions.HasData)
        {
            var extension = extensions.ReadEncodedValue();
            var oid = new AsnReader(extension, AsnEncodingRules.DER).ReadSequence().ReadObjectIdentifier();
            if (oid != Extension) writer.WriteEncodedValue(extension.Span);
        }
    }

    private static List<Timestamp>? Read(X509Certificate2 certificate)
    {
        var found = certificate.Extensions.Where(e => e.Oid?.Value == Extension).ToList();
        if (found.Count == 0) return [];
        var list = found.Count == 1 ? new AsnReader(found[0].RawData, AsnEncodingRules.DER).ReadOctetString() : [];
        if (list.Length < 2 || BinaryPrimitives.ReadUInt16BigEndian(list) != list.Length - 2) return null;
        var timestamps = new List<Timestamp>();
        for (ReadOnlySpan<byte> rest = list.AsSpan(2); rest.Length > 0;)
        {
            if (timestamps.Count == MaxTimestamps || !TakeVector(ref rest, out var item) || ReadTimestamp(item) is not { } timestamp)
                return null;
            timestamps.Add(timestamp);
        }
        return timestamps;
    }

    private static Timestamp? ReadTimestamp(ReadOnlySpan<byte> bytes)
    {
        const int fixedLength = 1 + SHA256.HashSizeInBytes + sizeof(ulong);
        if (bytes.Length < fixedLength || bytes[0] != 0) return null; // version 1 is written as 0
        var rest = bytes[fixedLength..];
        if (!TakeVector(ref rest, out var extensions) || rest.Length < 2) return null;
        var (hash, key) = (rest[0], rest[1]);
        rest = rest[2..];
        if (!TakeVector(ref rest, out var signature) || rest.Length > 0) return null;
        return new(
            bytes[1..(1 + SHA256.HashSizeInBytes)].ToArray(), BinaryPrimitives.ReadUInt64BigEndian(bytes[(1 + SHA256.HashSizeInBytes)..]),
            extensions.ToArray(), hash, key, signature.ToArray());
    }

    // TLS: two bytes of length, and the content.
    private static bool TakeVector(ref ReadOnlySpan<byte> rest, out ReadOnlySpan<byte> content)
    {
        content = default;
        if (rest.Length < 2 || rest.Length - 2 < BinaryPrimitives.ReadUInt16BigEndian(rest)) return false;
        content = rest.Slice(2, BinaryPrimitives.ReadUInt16BigEndian(rest));
        rest = rest[(2 + content.Length)..];
        return true;
    }
}
