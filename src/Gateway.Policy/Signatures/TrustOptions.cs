using Gateway.Policy.Signatures.Keyless;
using Gateway.Policy.Signatures.Notation;

namespace Gateway.Policy.Signatures;

/// <summary>The <c>policy.trust</c> section, checked: whose signatures count.</summary>
public sealed record TrustOptions
{
    /// <summary>Public keys by id.</summary>
    public ImmutableSortedDictionary<string, KeyOptions> Keys { get; init; } = ImmutableSortedDictionary<string, KeyOptions>.Empty;

    /// <summary>Trusted roots of keyless signing by name.</summary>
    public ImmutableSortedDictionary<string, KeylessRootOptions> Keyless { get; init; } =
        ImmutableSortedDictionary<string, KeylessRootOptions>.Empty;

    /// <summary>Trust stores of Notation by name.</summary>
    public ImmutableSortedDictionary<string, NotationStoreOptions> Notation { get; init; } =
        ImmutableSortedDictionary<string, NotationStoreOptions>.Empty;

    /// <summary>Authorities by name; rules refer to them.</summary>
    public ImmutableSortedDictionary<string, AuthorityOptions> Authorities { get; init; } =
        ImmutableSortedDictionary<string, AuthorityOptions>.Empty;

    /// <summary>
    /// Most repositories that all <see cref="AuthorityOptions.SignatureRepositories"/> of a policy name together: each is read for each
    /// image, within a budget of its own. Chosen: an organization has one or two.
    /// </summary>
    public const int MaxSignatureRepositories = 8;

    /// <summary>Every repository that contains signatures of images in other repositories, each once.</summary>
    public IEnumerable<RepositoryName> AllSignatureRepositories() =>
        Authorities.Values.SelectMany(static authority => authority.SignatureRepositories).Distinct();

    /// <summary>
    /// Whether a time can be proven for signatures of an authority: by a log that it requires, or by a time stamper. Keys use those of
    /// every keyless root.
    /// </summary>
    public bool ProvesTimes(AuthorityOptions authority)
    {
        if (authority.Notation is { } notation) return !Notation[notation.Store].Tsa.IsEmpty;
        var roots = authority.Keyless is { } keyless ? [Keyless[keyless.Root]] : Keyless.Values;
        return roots.Any(root => !root.Root.TimestampAuthorities.IsEmpty
            || (authority.Tlog != TlogMode.Ignore && !root.Root.SignatureLogs.IsEmpty));
    }
}

/// <summary>One key of <c>policy.trust.keys</c>.</summary>
public sealed record KeyOptions(VerificationKey Key)
{
    /// <summary>The hash that the signer uses; the key decides the scheme, never the artifact. Ed25519 has its own.</summary>
    public SignatureHash Hash { get; init; } = SignatureHash.Sha256;

    /// <summary>Evidence from before this time does not count; null for no start.</summary>
    public DateTimeOffset? NotBefore { get; init; }

    /// <summary>
    /// Evidence that was first seen (or provably signed) before this time still counts, later evidence does not; null when in use.
    /// </summary>
    public DateTimeOffset? RetiredAt { get; init; }

    /// <summary>
    /// When set, nothing by this key counts any more, whenever it was signed and under whatever id the same key is configured. The time is
    /// only for people, so that a clock that is set back revives no key. Null when not revoked.
    /// </summary>
    public DateTimeOffset? RevokedAt { get; init; }
}

/// <summary>Hash of a signature scheme.</summary>
public enum SignatureHash
{
    /// <summary>SHA-256.</summary>
    Sha256,

    /// <summary>SHA-384.</summary>
    Sha384,

    /// <summary>SHA-512.</summary>
    Sha512,
}

/// <summary>One root of <c>policy.trust.keyless</c>.</summary>
/// <param name="Root">The content of <c>trustedRoot</c>.</param>
public sealed record KeylessRootOptions(TrustedRoot Root)
{
    /// <summary>When the file was last written, as the caller states; with <see cref="MaxAge"/> it makes the root stale.</summary>
    public DateTimeOffset? ReadFrom { get; init; }

    /// <summary>Age from which the root no longer counts (<c>TRUST_STALE</c>); null for never.</summary>
    public TimeSpan? MaxAge { get; init; }
}

/// <summary>The requirement for transparency logs.</summary>
public enum TlogMode
{
    /// <summary>An existing entry must verify and belong to the signature; none is required.</summary>
    IfPresent,

    /// <summary>At least one entry must exist and verify.</summary>
    Require,

    /// <summary>Entries are not checked.</summary>
    Ignore,
}

/// <summary>One authority of <c>policy.trust.authorities</c>: any one of its keys, or the identities of one keyless root or of
/// one store of Notation's.</summary>
public sealed record AuthorityOptions(string Id)
{
    /// <summary>Ids of <see cref="TrustOptions.Keys"/>, each of which counts for the authority; empty for other authorities.</summary>
    public ImmutableArray<string> AnyOf { get; init; } = [];

    /// <summary>The identities in certificates of a keyless root that count for it; null for other authorities.</summary>
    public KeylessAuthority? Keyless { get; init; }

    /// <summary>The identities of Notation signatures that count for it; null for other authorities.</summary>
    public NotationAuthority? Notation { get; init; }

    /// <summary>The requirement for transparency logs; by default a keyless authority requires an entry.</summary>
    public TlogMode Tlog { get; init; } = TlogMode.IfPresent;

    /// <summary>
    /// Repositories of this gateway where evidence by this authority counts in addition to the image's own repository (cosign's
    /// <c>COSIGN_REPOSITORY</c>).
    /// </summary>
    public ImmutableArray<RepositoryName> SignatureRepositories { get; init; } = [];
}

/// <summary>The identity that a certificate must have: always both issuer and subject.</summary>
/// <param name="Root">Name of one of <see cref="TrustOptions.Keyless"/>.</param>
/// <param name="Issuer">The identity provider's URL, compared exactly.</param>
public sealed record KeylessAuthority(string Root, string Issuer)
{
    /// <summary>The subject (email or URI), compared exactly; null when <see cref="SubjectPattern"/> is set.</summary>
    public string? Subject { get; init; }

    /// <summary>The subject as an anchored <see cref="Glob"/>; null when <see cref="Subject"/> is set.</summary>
    public string? SubjectPattern { get; init; }

    /// <summary>Further claims of the certificate by OID, compared exactly.</summary>
    public ImmutableSortedDictionary<string, string> Claims { get; init; } = ImmutableSortedDictionary<string, string>.Empty;
}
