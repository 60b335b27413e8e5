using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Policy.Signatures.Notation;

/// <summary>What a Notation signature says of itself under its own signature.</summary>
/// <param name="Algorithm">The scheme by its name in JWS (RFC 7518 §3.1), such as <c>PS256</c>; the leaf's key must be of it.</param>
/// <param name="BySigningAuthority">Whether the scheme is <c>notary.x509.signingAuthority</c>, else <c>notary.x509</c>.</param>
/// <param name="SigningTime">When it was made: by the authority's word, or by the signer's, which proves nothing.</param>
/// <param name="Expiry">When the signer no longer vouches for it; null for never.</param>
internal sealed record NotationAttributes(string Algorithm, bool BySigningAuthority, DateTimeOffset SigningTime, DateTimeOffset? Expiry);

/// <summary>A Notation signature as it was read from either form of envelope. Nothing of it is believed yet.</summary>
/// <param name="SignedBytes">What the signature is over.</param>
/// <param name="Payload">What was signed, without the headers.</param>
/// <param name="Signature">The signature: of ECDSA both numbers in full length one after the other (RFC 7518 §3.4).</param>
/// <param name="Attributes">The signed headers, checked.</param>
/// <param name="Chain">The certificates in DER, the leaf first; one to ten.</param>
/// <param name="Timestamp">A TimeStampToken in DER over the signature; null when there is none.</param>
internal sealed record NotationEnvelope(
    ReadOnlyMemory<byte> SignedBytes, ReadOnlyMemory<byte> Payload, ReadOnlyMemory<byte> Signature, NotationAttributes Attributes,
    ImmutableArray<ReadOnlyMemory<byte>> Chain, ReadOnlyMemory<byte>? Timestamp)
{
    /// <summary>Most certificates of a chain. Chosen: a leaf, two intermediates and a root are usual.</summary>
    public const int MaxChain = 10;

    /// <summary>Most bytes of one certificate. Chosen: real ones have 2 KiB.</summary>
    public const int MaxCertificate = 16 << 10;

    /// <summary>Most bytes of a time stamp. Chosen: with the stamper's chain they have 6 KiB.</summary>
    public const int MaxTimestamp = 64 << 10;

    /// <summary>Most bytes of a signature: RSA of 4096 bits has 512.</summary>
    public const int MaxSignature = 1 << 10;
}

/// <summary>The signed headers of an envelope while it is read (signature-specification.md, "Signed Attributes").</summary>
internal sealed class SignedHeaders
{
    public const string SchemeKey = "io.cncf.notary.signingScheme";
    public const string TimeKey = "io.cncf.notary.signingTime";
    public const string AuthenticTimeKey = "io.cncf.notary.authenticSigningTime";
    public const string ExpiryKey = "io.cncf.notary.expiry";
    public const string PluginKey = "io.cncf.notary.verificationPlugin";
    public const string PluginVersionKey = "io.cncf.notary.verificationPluginMinVersion";

    private const string PayloadType = "application/vnd.cncf.notary.payload.v1+json";

    // Three are known; more than a handful is no header.
    private const int MaxCritical = 16;

    public string? Algorithm { get; set; }
    public string? ContentType { get; set; }
    public string? Scheme { get; set; }
    public DateTimeOffset? Time { get; set; }
    public DateTimeOffset? AuthenticTime { get; set; }
    public DateTimeOffset? Expiry { get; set; }
    public bool NeedsPlugin { get; set; }
    public List<string> Critical { get; } = [];

    /// <summary>Notes a header that must be understood.</summary>
    public void AddCritical(string name)
    {
        if (Critical.Count == MaxCritical) throw Bad($"crit: expected at most {MaxCritical} headers, got more");
        if (Critical.Contains(name)) throw Bad($"crit: expected {Printable.Quote(name)} once, got it twice");
        Critical.Add(name);
    }

    /// <summary>The headers, once it is sure that they agree and that each critical one is understood.</summary>
    public NotationAttributes Check()
    {
        if (Algorithm is null || !SigningKey.Algorithms.Contains(Algorithm))
            throw Bad($"alg: expected one of {string.Join(", ", SigningKey.Algorithms)}, got {Printable.Quote(Algorithm ?? "none")}");
        if (ContentType != PayloadType) throw Bad($"cty: expected {PayloadType}, got {Printable.Quote(ContentType ?? "none")}");
        if (NeedsPlugin)
            throw new UnusableSignatureException(
                ReasonCodes.SigNoTrusted, "expected a Notation signature without a verification plug-in, got one that requires one");
        var byAuthority = Scheme switch
        {
            "notary.x509" => false,
            "notary.x509.signingAuthority" => true,
            _ => throw Bad($"{SchemeKey}: expected notary.x509 or notary.x509.signingAuthority, got {Printable.Quote(Scheme ?? "none")}"),
        };
        var (time, other) = byAuthority ? (AuthenticTime, Time) : (Time, AuthenticTime);
        var key = byAuthority ? AuthenticTimeKey : TimeKey;
        if (time is not { } at || other is not null) throw Bad($"expected {key} and no other signing time under {Scheme}");
        if (Expiry <= at) throw Bad($"{ExpiryKey}: expected a moment after the signing time");
        CheckCritical(byAuthority);
        return new(Algorithm, byAuthority, at, Expiry);
    }

    // What must be understood must be marked so, and what is marked so must be understood.
    private void CheckCritical(bool byAuthority)
    {
        List<string> known = [SchemeKey];
        if (byAuthority) known.Add(AuthenticTimeKey);
        if (Expiry is not null) known.Add(ExpiryKey);
        if (Critical.FirstOrDefault(name => !known.Contains(name)) is { } unknown)
            throw Bad($"crit: {Printable.Quote(unknown)} is marked critical, but is unknown or absent");
        if (known.FirstOrDefault(name => !Critical.Contains(name)) is { } missing)
            throw Bad($"crit: expected {missing} to be marked critical, got it unmarked");
    }

    private static UnusableSignatureException Bad(string why) => new(ReasonCodes.SigBad, why);
}
