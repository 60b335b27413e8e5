using Gateway.Policy.Signatures.Keyless;

namespace Gateway.Policy.Signatures.Notation;

/// <summary>
/// One store of <c>policy.trust.notation</c>: a trust store of Notation. Nothing else is trusted: no system store, no network, no
/// certificate from a signature.
/// </summary>
public sealed record NotationStoreOptions
{
    /// <summary>Certificates in DER, one of which must be in the chain of a signature by <c>notary.x509</c>.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> Ca { get; init; } = [];

    /// <summary>The same for signatures by <c>notary.x509.signingAuthority</c>.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> SigningAuthority { get; init; } = [];

    /// <summary>Roots of time stampers. With at least one, signatures by <c>notary.x509</c> need a time stamp.</summary>
    public ImmutableArray<PinnedAuthority> Tsa { get; init; } = [];

    /// <summary>
    /// SHA-256 of certificates in lower-case hex. A chain with one of them never counts, whatever the level and the signing time.
    /// </summary>
    public ImmutableArray<string> Revoked { get; init; } = [];
}

/// <summary>Verification levels of the Notary Project (trust-store-trust-policy.md, "Signature Verification details").</summary>
public enum NotationLevel
{
    /// <summary>Everything is enforced.</summary>
    Strict,

    /// <summary>Integrity and authenticity are enforced; the rest is noted.</summary>
    Permissive,

    /// <summary>Integrity is enforced; the rest is noted. A signature by any signer counts.</summary>
    Audit,
}

/// <summary>The effect of a failed check.</summary>
public enum NotationAction
{
    /// <summary>The signature does not count.</summary>
    Enforce,

    /// <summary>The reason notes it, and the signature counts.</summary>
    Log,

    /// <summary>The check is skipped (revocation only).</summary>
    Skip,
}

/// <summary>The checks that a level decides about; integrity is always enforced.</summary>
internal enum NotationCheck
{
    /// <summary>The store has a certificate of the chain, and the leaf names a trusted identity.</summary>
    Authenticity,

    /// <summary>The chain was valid when it signed.</summary>
    AuthenticTimestamp,

    /// <summary>The expiry that the signer stated.</summary>
    Expiry,

    /// <summary>No certificate of the chain names a revocation service, because the gateway asks none.</summary>
    Revocation,
}

/// <summary>The Notation signatures that count, and how they are checked: one statement of a trust policy.</summary>
/// <param name="Store">Name of one of <see cref="TrustOptions.Notation"/>.</param>
public sealed record NotationAuthority(string Store)
{
    /// <summary>
    /// Subjects of signing certificates, one of which must be part of the leaf's subject; empty for <see cref="AnyIdentity"/>.
    /// </summary>
    public ImmutableArray<DistinguishedName> Identities { get; init; } = [];

    /// <summary>Whether any certificate of the store's authorities counts (<c>*</c>).</summary>
    public bool AnyIdentity { get; init; }

    /// <summary>The verification level.</summary>
    public NotationLevel Level { get; init; }

    /// <summary>Replaces the level for authenticity; null to use the level.</summary>
    public NotationAction? Authenticity { get; init; }

    /// <summary>Replaces the level for the signing time; null to use the level.</summary>
    public NotationAction? AuthenticTimestamp { get; init; }

    /// <summary>Replaces the level for expiry; null to use the level.</summary>
    public NotationAction? Expiry { get; init; }

    /// <summary>Replaces the level for revocation; null to use the level.</summary>
    public NotationAction? Revocation { get; init; }

    /// <summary>Whether a time stamp is required only after a certificate of the chain expired (<c>afterCertExpiry</c>).</summary>
    public bool StampAfterExpiry { get; init; }

    /// <summary>Whether signatures by untrusted signers count.</summary>
    public bool TakesAnybody => ActionOf(NotationCheck.Authenticity) != NotationAction.Enforce;

    /// <summary>The effect of a failed check.</summary>
    internal NotationAction ActionOf(NotationCheck check) => check switch
    {
        NotationCheck.Authenticity => Authenticity ?? (Level == NotationLevel.Audit ? NotationAction.Log : NotationAction.Enforce),
        NotationCheck.AuthenticTimestamp => AuthenticTimestamp ?? Late,
        NotationCheck.Expiry => Expiry ?? Late,
        _ => Revocation ?? Late,
    };

    private NotationAction Late => Level == NotationLevel.Strict ? NotationAction.Enforce : NotationAction.Log;
}
