using System.Formats.Asn1;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using System.Security.Cryptography.X509Certificates;

namespace Gateway.Policy.Signatures.Keyless;

/// <summary>RFC 3161 time stamps: when a pinned time stamper saw a signature.</summary>
internal static class TimeStamp
{
    /// <summary>Most time stamps of one signature that are checked: sigstore-go's limit.</summary>
    public const int MaxStamps = 32;

    private static readonly string[] Hashes =
        ["2.16.840.1.101.3.4.2.1", "2.16.840.1.101.3.4.2.2", "2.16.840.1.101.3.4.2.3"]; // SHA-256, -384, -512 (RFC 5754 §2)

    /// <summary>
    /// The time at which a pinned time stamper saw these bytes, or why there is none. The nonce only matters to the client of the time
    /// stamper, and is ignored.
    /// </summary>
    /// <param name="response">A TimeStampResp in DER.</param>
    /// <param name="stamped">The bytes that were stamped: a signature.</param>
    /// <param name="root">The pinned time stampers, with all intermediate certificates.</param>
    public static (DateTimeOffset? Time, PinnedAuthority? By, string? Why) Verify(
        ReadOnlyMemory<byte> response, ReadOnlySpan<byte> stamped, TrustedRoot root)
    {
        var (stamp, by, why) = Check(() => Token(response), stamped, root.TimestampAuthorities, carries: false);
        return (stamp?.Timestamp, by, why);
    }

    /// <summary>When pinned time stampers saw a signature, each of them once, and why a time stamp does not count.</summary>
    /// <param name="material">The signature with its time stamps.</param>
    /// <param name="roots">The pinned time stampers.</param>
    public static (ImmutableArray<DateTimeOffset> Times, string? Why) TimesOf(SignatureMaterial material, ImmutableArray<TrustedRoot> roots)
    {
        var times = ImmutableArray.CreateBuilder<DateTimeOffset>();
        var stampers = new HashSet<string>(StringComparer.Ordinal);
        string? why = null;
        foreach (var stamp in material.Timestamps.Take(MaxStamps))
        {
            foreach (var root in roots)
            {
                var (time, by, problem) = Verify(stamp, material.Timestamped.Span, root);
                why ??= problem;
                if (time is { } moment && stampers.Add(by!.Uri)) times.Add(moment);
            }
        }
        return (times.ToImmutable(), why);
    }

    /// <summary>
    /// The same for a bare TimeStampToken in DER that contains the certificates up to a pinned root. One result is null.
    /// </summary>
    public static (Rfc3161TimestampTokenInfo? Stamp, string? Why) VerifyToken(
        ReadOnlyMemory<byte> token, ReadOnlySpan<byte> stamped, ImmutableArray<PinnedAuthority> roots)
    {
        var (stamp, _, why) = Check(() => Decode(token), stamped, roots, carries: true);
        return (stamp, why);
    }

    private static (Rfc3161TimestampTokenInfo? Stamp, PinnedAuthority? By, string? Why) Check(
        Func<Rfc3161TimestampToken?> read, ReadOnlySpan<byte> stamped, ImmutableArray<PinnedAuthority> authorities, bool carries)
    {
        try
        {
            if (read() is not { } token)
                return (null, null, "the time stamp is not granted, or not by a certificate that was then valid for stamping");
            if (token.TokenInfo.HashAlgorithmId.Value is { } hash && !Hashes.Contains(hash))
                return (null, null, $"the time stamp is over a hash of {hash}, expected SHA-256, SHA-384 or SHA-512");
            var why = authorities.IsEmpty ? "the trusted root names no time stamper" : null;
            foreach (var authority in authorities)
            {
                if (ProblemOf(token, stamped, authority, carries) is not { } problem) return (token.TokenInfo, authority, null);
                why = why is null ? problem : $"{why}; {problem}";
            }
            return (null, null, why);
        }
        catch (Exception e) when (e is AsnContentException or CryptographicException)
        {
            return (null, null, "the time stamp cannot be read");
        }
    }

    private static Rfc3161TimestampToken? Token(ReadOnlyMemory<byte> response)
    {
        var reader = new AsnReader(response, AsnEncodingRules.BER);
        var body = reader.ReadSequence();
        reader.ThrowIfNotEmpty();
        var status = body.ReadSequence().ReadInteger(); // granted, or granted with modifications (RFC 3161 §2.4.2)
        if (status < BigInteger.Zero || status > BigInteger.One || !body.HasData) return null;
        var token = body.ReadEncodedValue();
        body.ThrowIfNotEmpty();
        return Decode(token);
    }

    private static Rfc3161TimestampToken? Decode(ReadOnlyMemory<byte> token) =>
        Rfc3161TimestampToken.TryDecode(token, out var decoded, out var read) && read == token.Length ? decoded : null;

    private static string? ProblemOf(Rfc3161TimestampToken token, ReadOnlySpan<byte> stamped, PinnedAuthority authority, bool carries)
    {
        var pinned = new X509Certificate2Collection();
        foreach (var der in authority.Certificates) pinned.Add(X509CertificateLoader.LoadCertificate(der.Span));
        try
        {
            if (!token.VerifySignatureForData(stamped, out var signer, pinned))
                return $"the time stamp is not over this signature, or not by {Printable.Quote(authority.Uri)}";
            // A time stamper's own certificate can be pinned before its issuers: then it is the only accepted one.
            var pinsSigner = Certificates.ProblemOfUse(pinned[0], Certificates.TimeStamping) is null;
            if (pinsSigner && !signer.RawDataMemory.Span.SequenceEqual(pinned[0].RawDataMemory.Span))
                return $"the time stamp is by another certificate than {Printable.Quote(authority.Uri)} has pinned";
            X509Certificate2Collection carried = carries ? token.AsSignedCms().Certificates : [];
            return Certificates.ProblemOfUse(signer, Certificates.TimeStamping)
                ?? Certificates.PathTo(authority, signer, token.TokenInfo.Timestamp, Certificates.TimeStamping, carried).Why;
        }
        finally
        {
            foreach (var certificate in pinned) certificate.Dispose();
        }
    }
}
