using System.Formats.Asn1;
using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Gateway.Policy.Signatures.Keyless;

/// <summary>
/// The identity in a certificate: always issuer and subject together, because only the issuer gives the subject a meaning.
/// </summary>
/// <param name="Issuer">The identity provider's URL.</param>
/// <param name="Subject">The subject alternative name: an email address, a URI, or a name of sigstore's own kind.</param>
internal sealed record CertificateIdentity(string Issuer, string Subject)
{
    private const string Fulcio = "1.3.6.1.4.1.57264.1"; // Fulcio's oid-info.md, as the next ones
    private const string IssuerRaw = Fulcio + ".1";
    private const string OtherName = Fulcio + ".7";
    private const string IssuerString = Fulcio + ".8";
    private const int LastRaw = 6; // .1 to .6 hold bare UTF-8, the later ones a UTF8String in DER

    /// <summary>The signer, in messages and when signers are counted.</summary>
    public override string ToString() => $"{Subject} by {Issuer}";

    /// <summary>Reads the identity; exactly one of the two results is null.</summary>
    internal static (CertificateIdentity? Identity, string? Problem) Read(X509Certificate2 certificate)
    {
        if ((Claim(certificate, IssuerString) ?? Claim(certificate, IssuerRaw)) is not { Length: > 0 } issuer)
            return (null, $"the certificate names no issuer ({IssuerString})");
        return SubjectOf(certificate) is { Length: > 0 } subject
            ? (new(issuer, subject), null)
            : (null, "the certificate must have exactly one subject alternative name: an email address, a URI or sigstore's own kind");
    }

    /// <summary>Why this certificate does not count for the authority; null when it does. Issuer and subject must both match.</summary>
    internal string? ProblemWith(KeylessAuthority authority, X509Certificate2 certificate)
    {
        if (!string.Equals(Issuer, authority.Issuer, StringComparison.Ordinal))
            return $"signed by {Printable.Quote(Subject)} of {Printable.Quote(Issuer)}, expected {Printable.Quote(authority.Issuer)}";
        if (!IsSubjectOf(authority))
            return $"signed by {Printable.Quote(Subject)}, expected {Printable.Quote(authority.Subject ?? authority.SubjectPattern)}";
        foreach (var (oid, expected) in authority.Claims)
        {
            var found = Claim(certificate, oid);
            if (!string.Equals(found, expected, StringComparison.Ordinal))
                return $"claim {oid} is {Printable.Quote(found ?? "absent")}, expected {Printable.Quote(expected)}";
        }
        return null;
    }

    // Exactly, or by a pattern that must match from end to end. An authority without both trusts no signer.
    private bool IsSubjectOf(KeylessAuthority authority)
    {
        if (authority.Subject is { } exact && !string.Equals(exact, Subject, StringComparison.Ordinal)) return false;
        if (authority.SubjectPattern is { } pattern && !Glob.IsMatch(pattern, Subject)) return false;
        return authority.Subject is not null || authority.SubjectPattern is not null;
    }

    // The text of an extension; null when it is absent, duplicate, or not a text.
    private static string? Claim(X509Certificate2 certificate, string oid)
    {
        var found = certificate.Extensions.Where(e => e.Oid?.Value == oid).ToList();
        if (found is not [var extension]) return null;
        try
        {
            var isRaw = oid.StartsWith(Fulcio + ".", StringComparison.Ordinal)
                && int.TryParse(oid.AsSpan(Fulcio.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var arc)
                && arc <= LastRaw;
            return isRaw ? Utf8.GetString(extension.RawData) : TextOf(new AsnReader(extension.RawData, AsnEncodingRules.DER));
        }
        catch (Exception e) when (e is AsnContentException or DecoderFallbackException)
        {
            return null;
        }
    }

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private static string TextOf(AsnReader value)
    {
        var text = value.ReadCharacterString(UniversalTagNumber.UTF8String);
        value.ThrowIfNotEmpty();
        return text;
    }

    // Fulcio writes one name. With several, the gateway would have to choose which one the policy is checked with.
    private static string? SubjectOf(X509Certificate2 certificate)
    {
        var found = certificate.Extensions.Where(e => e.Oid?.Value == "2.5.29.17").ToList(); // subjectAltName, RFC 5280 §4.2.1.6
        if (found is not [var extension]) return null;
        try
        {
            var reader = new AsnReader(extension.RawData, AsnEncodingRules.DER);
            var names = reader.ReadSequence();
            reader.ThrowIfNotEmpty();
            var name = NameOf(names);
            return names.HasData ? null : name;
        }
        catch (AsnContentException)
        {
            return null;
        }
    }

    // GeneralName: otherName 0, rfc822Name 1, uniformResourceIdentifier 6.
    private static string? NameOf(AsnReader names)
    {
        var tag = names.PeekTag();
        if (tag.TagClass != TagClass.ContextSpecific) return null;
        if (tag.TagValue is 1 or 6) return names.ReadCharacterString(UniversalTagNumber.IA5String, tag);
        if (tag.TagValue != 0) return null;
        var other = names.ReadSequence(tag);
        if (other.ReadObjectIdentifier() != OtherName) return null;
        var value = other.ReadSequence(new Asn1Tag(TagClass.ContextSpecific, 0, isConstructed: true));
        other.ThrowIfNotEmpty();
        return TextOf(value);
    }
}
