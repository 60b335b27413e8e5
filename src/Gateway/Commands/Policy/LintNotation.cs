using System.Collections.Immutable;
using System.Security.Cryptography.X509Certificates;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Notation;

namespace Gateway.Commands.Policy;

/// <summary>Likely mistakes in Notation trust stores.</summary>
internal static class LintNotation
{
    // Renewing certificates takes longer than renewing keys; certificate authorities warn one month ahead.
    private static readonly TimeSpan Soon = TimeSpan.FromDays(30);

    public static IEnumerable<LintFinding> OfStore(string name, NotationStoreOptions store, TrustOptions trust, DateTimeOffset now)
    {
        var path = $"policy.trust.notation.{name}";
        if (!trust.Authorities.Values.Any(authority => authority.Notation?.Store == name))
            yield return new(path, "STORE_UNUSED", "no authority uses this store", "set it as notation of an authority, or remove it");
        var tsa = store.Tsa.Select(static one => one.Certificates[0]).ToImmutableArray();
        foreach (var (kind, i, der) in Of("ca", store.Ca).Concat(Of("signingAuthority", store.SigningAuthority)).Concat(Of("tsa", tsa)))
        {
            using var certificate = X509CertificateLoader.LoadCertificate(der.Span);
            var (place, end) = ($"{path}.{kind}[{i}]", new DateTimeOffset(certificate.NotAfter.ToUniversalTime()));
            if (end <= now)
                yield return new(
                    place, "CERTIFICATE_EXPIRED", $"{certificate.Subject} was valid until {Moments.Day(end)}",
                    "keep it only for signatures with a time stamp or by a signing authority; otherwise remove it");
            else if (end - now < Soon)
                yield return new(
                    place, "CERTIFICATE_EXPIRES_SOON", $"{certificate.Subject} is valid until {Moments.Day(end)}",
                    "add the next one before then");
        }
    }

    private static IEnumerable<(string Kind, int Index, ReadOnlyMemory<byte> Der)> Of(
        string kind, ImmutableArray<ReadOnlyMemory<byte>> all) =>
        all.Select((der, i) => (kind, i, der));
}
