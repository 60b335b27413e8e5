using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Gateway.Policy.Signatures.Keyless;

/// <summary>Reads untrusted certificates, and builds paths from them to a pinned authority.</summary>
internal static class Certificates
{
    /// <summary>Extended key usage of certificates that sign code (RFC 5280 §4.2.1.12): what Fulcio issues.</summary>
    public const string CodeSigning = "1.3.6.1.5.5.7.3.3";

    /// <summary>Extended key usage of time stampers (RFC 3161 §2.3).</summary>
    public const string TimeStamping = "1.3.6.1.5.5.7.3.8";

    /// <summary>Reads exactly one certificate; null when the bytes are anything else. The caller disposes it.</summary>
    public static X509Certificate2? Load(ReadOnlySpan<byte> der)
    {
        try
        {
            // The loader accepts PEM too, and ignores trailing bytes.
            if (!AsnDecoder.TryReadEncodedValue(der, AsnEncodingRules.DER, out _, out _, out _, out var length)) return null;
            if (length != der.Length) return null;
            var certificate = X509CertificateLoader.LoadCertificate(der);
            if (certificate.RawDataMemory.Span.SequenceEqual(der)) return certificate;
            certificate.Dispose();
            return null;
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            return null;
        }
    }

    /// <summary>Why a certificate cannot be used for this purpose at the end of a path; null when it can.</summary>
    public static string? ProblemOfUse(X509Certificate2 certificate, string usage)
    {
        var usages = certificate.Extensions.OfType<X509EnhancedKeyUsageExtension>().SelectMany(e => e.EnhancedKeyUsages.Cast<Oid>());
        if (!usages.Any(u => u.Value == usage)) return $"the certificate lacks the extended key usage {usage}, which is not implied";
        if (certificate.Extensions.OfType<X509BasicConstraintsExtension>().Any(b => b.CertificateAuthority))
            return "the certificate is an authority's, expected a signer's";
        return certificate.Extensions.OfType<X509KeyUsageExtension>().Any(k => k.KeyUsages.HasFlag(X509KeyUsageFlags.DigitalSignature))
            ? null
            : "the certificate lacks the key usage digitalSignature";
    }

    /// <summary>
    /// Whether a path leads from the certificate to the authority's root through the authority's own certificates, each valid at that
    /// time. Exactly one result is null: the issuer's public key (SubjectPublicKeyInfo), or the reason. Certificates from the signature
    /// can be between only when the root alone is pinned.
    /// </summary>
    public static (byte[]? IssuerKey, string? Why) PathTo(
        PinnedAuthority authority, X509Certificate2 certificate, DateTimeOffset at, string usage,
        X509Certificate2Collection? carried = null)
    {
        if (!authority.ValidFor.Contains(at))
            return (null, $"{Printable.Quote(authority.Uri)} is trusted from {authority.ValidFor}, not at {Moments.Text(at)}");
        var pinned = authority.Certificates.Select(der => X509CertificateLoader.LoadCertificate(der.Span)).ToList();
        try
        {
            using var chain = OfflineChain(pinned, at, usage);
            chain.ChainPolicy.ExtraStore.AddRange(carried ?? []);
            if (!chain.Build(certificate))
                return (null, $"no path to {Printable.Quote(authority.Uri)} at {Moments.Text(at)}: {StatusOf(chain)}");
            // The builder also knows the machine's intermediates. They must not replace what is pinned.
            var path = chain.ChainElements.Skip(1).Select(e => e.Certificate).ToList();
            var allowed = pinned.Concat(carried ?? []).ToList();
            return path.Count > 0 && path.All(c => allowed.Exists(p => p.RawDataMemory.Span.SequenceEqual(c.RawDataMemory.Span)))
                ? (path[0].PublicKey.ExportSubjectPublicKeyInfo(), null)
                : (null, $"the path to {Printable.Quote(authority.Uri)} leads through a certificate that is not pinned");
        }
        finally
        {
            pinned.ForEach(c => c.Dispose());
        }
    }

    // No network and no clock: no downloads, no revocation lists, only the pinned roots, the caller's time.
    private static X509Chain OfflineChain(List<X509Certificate2> pinned, DateTimeOffset at, string usage)
    {
        var chain = new X509Chain
        {
            ChainPolicy =
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
                DisableCertificateDownloads = true,
                VerificationTimeIgnored = false,
                VerificationTime = at.UtcDateTime,
            },
        };
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(usage));
        chain.ChainPolicy.CustomTrustStore.Add(pinned[^1]);
        chain.ChainPolicy.ExtraStore.AddRange(pinned.SkipLast(1).ToArray());
        return chain;
    }

    private static string StatusOf(X509Chain chain) =>
        string.Join(", ", chain.ChainStatus.Select(s => s.Status).Distinct()) is { Length: > 0 } status ? status : "unknown";
}
