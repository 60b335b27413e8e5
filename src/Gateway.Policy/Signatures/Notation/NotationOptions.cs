using System.Collections.Immutable;
using Gateway.Policy.Signatures.Keyless;

namespace Gateway.Policy.Signatures.Notation;

/// <summary>
/// One store of <c>policy.trust.notation</c>: what a trust store is to Notation. Nothing else is trusted: no system store, no network, no
/// certificate that came with a signature.
/// </summary>
public sealed record NotationStoreOptions
{
    /// <summary>Certificates in DER, one of which must be in the chain of a signature by <c>notary.x509</c>.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> Ca { get; init; } = [];

    /// <summary>The same for signatures by <c>notary.x509.signingAuthority</c>.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> SigningAuthority { get; init; } = [];

    /// <summary>Roots of time stampers; where there is one, signatures by <c>notary.x509</c> need a time stamp.</summary>
    public ImmutableArray<PinnedAuthority> Tsa { get; init; } = [];

    /// <summary>
    /// SHA-256 of certificates in lower-case hex; a chain with one of them never counts, whatever the level and the time of signing.
    /// </summary>
    public ImmutableArray<string> Revoked { get; init; } = [];
}

/// <summary>Verification levels of the Notary Project (trust-store-trust-policy.md, "Signature Verification details").</summary>
public enum NotationLevel
{
    /// <summary>Everything is enforced.</summary>
    Strict,

    /// <summary>Integrity and authenticity are enforced, the rest is noted.</summary>
    Permissive,

    /// <summary>Integrity is enforced, the rest is noted: whoever signed, it counts.</summary>
    Audit,
}

/// <summary>What comes of a check that fails.</summary>
public enum NotationAction
{
    /// <summary>The signature does not count.</summary>
    Enforce,

    /// <summary>It is noted in the reason, and the signature counts.</summary>
    Log,

    /// <summary>Nothing is looked at (revocation only).</summary>
    Skip,
}

/// <summary>The checks that a level decides upon; integrity is enforced always.</summary>
internal enum NotationCheck
{
    /// <summary>The store has a certificate of the chain, and the leaf names a trusted identity.</summary>
    Authenticity,

    /// <summary>The chain was valid when it signed.</summary>
    AuthenticTimestamp,

    /// <summary>The signer's own "best by use".</summary>
    Expiry,

    /// <summary>That no certificate of the chain names a place that tells of revocations, for nobody is asked.</summary>
    Revocation,
}

/// <summary>Whose Notation signatures count, and how they are checked: one statement of a trust policy.</summary>
/// <param name="Store">Name of one of <see cref="TrustOptions.Notation"/>.</param>
public sealed record NotationAuthority(string Store)
{
    /// <summary>Subjects of signing certificates, one of which must be part of the leaf's; empty for <see cref="AnyIdentity"/>.</summary>
    public ImmutableArray<DistinguishedName> Identities { get; init; } = [];

    /// <summary>Whether any certificate of the store's authorities counts (<c>*</c>).</summary>
    public bool AnyIdentity { get; init; }

    /// <summary>What is enforced.</summary>
    public NotationLevel Level { get; init; }

    /// <summary>What takes the level's place for authenticity; null for the level's own.</summary>
    public NotationAction? Authenticity { get; init; }

    /// <summary>What takes the level's place for the time of signing; null for the level's own.</summary>
    public NotationAction? AuthenticTimestamp { get; init; }

    /// <summary>What takes the level's place for expiry; null for the level's own.</summary>
    public NotationAction? Expiry { get; init; }

    /// <summary>What takes the level's place for revocation; null for the level's own.</summary>
    public NotationAction? Revocation { get; init; }

    /// <summary>Whether a time stamp is asked for only once a certificate of the chain has expired (<c>afterCertExpiry</c>).</summary>
    public bool StampAfterExpiry { get; init; }

    /// <summary>Whether a stranger's signature counts.</summary>
    public bool TakesAnybody => ActionOf(NotationCheck.Authenticity) != NotationAction.Enforce;

    /// <summary>What comes of a check that fails.</summary>
    internal NotationAction ActionOf(NotationCheck check) => check switch
    {
        NotationCheck.Authenticity => Authenticity ?? (Level == NotationLevel.Audit ? NotationAction.Log : NotationAction.Enforce),
        NotationCheck.AuthenticTimestamp => AuthenticTimestamp ?? Late,
        NotationCheck.Expiry => Expiry ?? Late,
        _ => Revocation ?? Late,
    };

    private NotationAction Late => Level == NotationLevel.Strict ? NotationAction.Enforce : NotationAction.Log;
}
