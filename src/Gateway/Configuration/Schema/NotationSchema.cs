using System.Collections.Immutable;
using Gateway.Policy.Signatures;
using Gateway.Policy.Signatures.Keyless;
using Gateway.Policy.Signatures.Notation;

namespace Gateway.Configuration;

/// <summary>The Notation parts of <c>policy.trust</c>: stores of certificates, and which of their signers count for an authority.</summary>
internal static class NotationSchema
{
    private const string SubjectPrefix = "x509.subject:";

    private static readonly Scalar<ImmutableArray<ReadOnlyMemory<byte>>> Pem = new(
        "certificates in PEM, or the path of a file that holds them", (text, reading) =>
        {
            var read = TrustSchema.ReadText(text, reading);
            if (read.Problem is not null) return Parsed<ImmutableArray<ReadOnlyMemory<byte>>>.Not(read.Problem);
            var (certificates, problem) = TrustedCertificates.Parse(read.Value);
            return problem is null ? certificates : Parsed<ImmutableArray<ReadOnlyMemory<byte>>>.Not(problem);
        });

    private static readonly Converted<ImmutableArray<ImmutableArray<ReadOnlyMemory<byte>>>, ImmutableArray<ReadOnlyMemory<byte>>> Pems =
        new(
            new ListOf<ImmutableArray<ReadOnlyMemory<byte>>>(Pem, orOne: true),
            static all => ImmutableArray.CreateRange(all.SelectMany(static one => one)));

    private static readonly Converted<ImmutableArray<ReadOnlyMemory<byte>>, ImmutableArray<PinnedAuthority>> Roots = new(Pems, static all =>
    {
        var roots = all.Select(TrustedCertificates.ToRoot).ToArray();
        return roots.FirstOrDefault(static root => root.Problem is not null).Problem is { } problem
            ? Parsed<ImmutableArray<PinnedAuthority>>.Not(problem)
            : ImmutableArray.CreateRange(roots.Select(static root => root.Root!));
    });

    private static readonly Scalar<string> Thumbprint = new(
        "the SHA-256 of a certificate in hex, with or without colons", static (text, _) =>
            text.Replace(":", "", StringComparison.Ordinal).ToLowerInvariant() is { Length: 64 } hex && hex.All(char.IsAsciiHexDigit)
                ? hex
                : Parsed<string>.Not());

    public static readonly Section<NotationStoreOptions> Store = new(() => new(), CheckStore)
    {
        { "ca", Pems, "[]", "Certificates; one of them must be in a signature's chain.", (o, v) => o with { Ca = v } },
        {
            "signingAuthority", Pems, "[]", "The same for signatures by the scheme `notary.x509.signingAuthority`.",
            (o, v) => o with { SigningAuthority = v }
        },
        {
            "tsa", Roots, "[]", "Roots of time stampers; if set, every signature by `notary.x509` needs a time stamp.",
            (o, v) => o with { Tsa = v }
        },
        {
            "revoked", new ListOf<string>(Thumbprint), "[]", "SHA-256 of certificates that no longer count in any chain.",
            (o, v) => o with { Revoked = v }
        },
    };

    // Null means `*`: any signer.
    private static readonly Scalar<DistinguishedName?> Identity = new(
        $"{SubjectPrefix} and a name with C, ST and O, or * alone", static (text, _) =>
        {
            if (text == "*") return (DistinguishedName?)null;
            if (!text.StartsWith(SubjectPrefix, StringComparison.Ordinal)) return Parsed<DistinguishedName?>.Not();
            var (name, problem) = DistinguishedName.Parse(text[SubjectPrefix.Length..]);
            return name is null ? Parsed<DistinguishedName?>.Not(problem!) : name;
        });

    public static readonly ListOf<DistinguishedName?> Identities = new(Identity);

    public static readonly Scalar<NotationLevel> Level = Scalars.OneOf(
        ("strict", NotationLevel.Strict), ("permissive", NotationLevel.Permissive), ("audit", NotationLevel.Audit));

    public static readonly Scalar<bool> StampAfterExpiry = Scalars.OneOf(("always", false), ("afterCertExpiry", true));

    public static readonly Section<NotationAuthority> Override = new(() => new(""))
    {
        {
            "authenticity", Action(), "(the level's)", "Whether an untrusted signer's signature is refused.",
            (o, v) => o with { Authenticity = v }
        },
        {
            "authenticTimestamp", Action(), "(the level's)", "Whether certificates must have been valid when they signed.",
            (o, v) => o with { AuthenticTimestamp = v }
        },
        {
            "expiry", Action(), "(the level's)", "Whether a signature past the expiry that its signer set is refused.",
            (o, v) => o with { Expiry = v }
        },
        {
            "revocation", Action(("skip", NotationAction.Skip)), "(the level's)",
            "Whether certificates with an OCSP or CRL address are refused; the gateway asks no such address.",
            (o, v) => o with { Revocation = v }
        },
    };

    /// <summary>The authority with these levels instead of its own.</summary>
    public static NotationAuthority Over(NotationAuthority authority, NotationAuthority with) => authority with
    {
        Authenticity = with.Authenticity, AuthenticTimestamp = with.AuthenticTimestamp, Expiry = with.Expiry, Revocation = with.Revocation,
    };

    public static NotationAuthority Of(NotationAuthority authority, ImmutableArray<DistinguishedName?> identities) => authority with
    {
        Identities = [.. identities.OfType<DistinguishedName>()], AnyIdentity = identities.Contains(null),
    };

    /// <summary>Checks the identities of an authority together.</summary>
    public static void Check(NotationAuthority authority, string path, Reading reading)
    {
        var place = Reading.Join(path, "trustedIdentities");
        if (authority.Store.Length == 0 || (authority.Identities.IsEmpty && !authority.AnyIdentity))
            reading.Add(path, "expected both notation and trustedIdentities; add the missing one");
        if (reading.IsWritten(Reading.Join(path, "tlog")))
            reading.Add(Reading.Join(path, "tlog"), "is for keys and keyless, because Notation uses no transparency log; remove it");
        if (authority.AnyIdentity && !authority.Identities.IsEmpty)
            reading.Add(place, "expected * alone, got other identities too; remove them");
        foreach (var (i, one) in authority.Identities.Index())
        {
            if (authority.Identities.Where((other, j) => j != i && other.IsPartOf(one)).FirstOrDefault() is { } wider)
                reading.Add($"{place}[{i}]", $"'{one}' is already covered by '{wider}'; remove one of them");
        }
    }

    private static void CheckStore(NotationStoreOptions store, string path, Reading reading)
    {
        if (store.Ca.IsEmpty && store.SigningAuthority.IsEmpty)
            reading.Add(path, "expected certificates under ca or signingAuthority, got none");
    }

    private static Scalar<NotationAction?> Action(params (string, NotationAction?)[] more) =>
        Scalars.OneOf<NotationAction?>([("enforce", NotationAction.Enforce), ("log", NotationAction.Log), .. more]);
}
