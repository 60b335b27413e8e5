namespace Gateway.Policy.Signatures.Notation;

/// <summary>The signed attributes of a Notation signature.</summary>
/// <param name="Algorithm">The scheme by its name in JWS (RFC 7518 §3.1), such as <c>PS256</c>; the leaf's key must be of it.</param>
/// <param name="BySigningAuthority">Whether the scheme is <c>notary.x509.signingAuthority</c>, otherwise <c>notary.x509</c>.</param>
/// <param name="SigningTime">The signing time that the authority or the signer states; the signer's proves nothing.</param>
/// <param name="Expiry">When the signature expires by the signer's statement; null for never.</param>
internal sealed record NotationAttributes(string Algorithm, bool BySigningAuthority, DateTimeOffset SigningTime, DateTimeOffset? Expiry);

/// <summary>A Notation signature as read from either form of envelope. Nothing in it is verified yet.</summary>
/// <param name="SignedBytes">The bytes that the signature is over.</param>
/// <param name="Payload">The signed payload, without the headers.</param>
/// <param name="Signature">The signature; for ECDSA both numbers in full length, one after the other (RFC 7518 §3.4).</param>
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

    /// <summary>Most bytes of a time stamp. Chosen: with the time stamper's chain real ones have 6 KiB.</summary>
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

    // Three are known; a signature has no reason for more than a handful.
    private const int MaxCritical = 16;

    public string? Algorithm { get; set; }
    public string? ContentType { get; set; }
    public string? Scheme { get; set; }
    public DateTimeOffset? Time { get; set; }
    public DateTimeOffset? AuthenticTime { get; set; }
    public DateTimeOffset? Expiry { get; set; }
    public bool NeedsPlugin { get; set; }
    public List<string> Critical { get; } = [];

    /// <summary>Notes a critical header.</summary>
    public void AddCritical(string name)
    {
        if (Critical.Count == MaxCritical) throw Bad($"crit: expected at most {MaxCritical} headers, got more");
        if (Critical.Contains(name)) throw Bad($"crit: expected {Printable.Quote(name)} once, got it twice");
        Critical.Add(name);
    }

    /// <summary>The headers, after checking that they agree and that every critical one is known.</summary>
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

    // Headers that must be critical must be marked so, and every header that is marked so must be known.
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
