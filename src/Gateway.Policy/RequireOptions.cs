using Gateway.Policy.Signatures;

namespace Gateway.Policy;

/// <summary>The <c>require</c> section of a rule: every requirement in it must hold.</summary>
public sealed record RequireOptions
{
    /// <summary>Whether the artifact type must be allowed (applies to evidence too, whatever the rule's kinds are).</summary>
    public bool ArtifactTypes { get; init; }

    /// <summary>Required signatures: each of these.</summary>
    public ImmutableArray<SignatureRequirementOptions> Signatures { get; init; } = [];

    /// <summary>Required attestations: each of these.</summary>
    public ImmutableArray<AttestationRequirementOptions> Attestations { get; init; } = [];

    /// <summary>The claims of media types that are checked against the bytes; empty for none.</summary>
    public ImmutableArray<MediaClaim> TruthfulMedia { get; init; } = [];

    /// <summary>Whether each decompressed layer must have the digest that the image config names.</summary>
    public bool LayerDigestCheck { get; init; }

    /// <summary>Required platforms and allowed operating systems; null for any.</summary>
    public PlatformOptions? Platforms { get; init; }

    /// <summary>Conditions on annotations, by their keys.</summary>
    public ImmutableSortedDictionary<string, TextCondition> Annotations { get; init; } =
        ImmutableSortedDictionary<string, TextCondition>.Empty;

    /// <summary>Whether <see cref="Annotations"/> are checked in the manifest's annotations.</summary>
    public bool AnnotationsFromManifest { get; init; } = true;

    /// <summary>Whether <see cref="Annotations"/> are checked in the labels of the image config.</summary>
    public bool AnnotationsFromLabels { get; init; }

    /// <summary>Limits of size and age; null for none.</summary>
    public LimitOptions? Limits { get; init; }

    /// <summary>Whether a tag can move.</summary>
    public TagMutability TagMutability { get; init; } = TagMutability.Mutable;

    /// <summary>Whether the section has no requirement.</summary>
    public bool IsEmpty =>
        !ArtifactTypes && Signatures.IsEmpty && Attestations.IsEmpty && TruthfulMedia.IsEmpty && !LayerDigestCheck && Platforms is null
        && Annotations.IsEmpty && Limits is null && TagMutability == TagMutability.Mutable;
}

/// <summary>A claim of a media type about the bytes.</summary>
public enum MediaClaim
{
    /// <summary>They are compressed with gzip (<c>+gzip</c>, <c>.gzip</c>).</summary>
    Gzip,

    /// <summary>They are compressed with zstd (<c>+zstd</c>).</summary>
    Zstd,

    /// <summary>They are a tar archive once decompressed (<c>.tar</c>).</summary>
    Tar,

    /// <summary>They are JSON (<c>+json</c>).</summary>
    Json,
}

/// <summary>The <c>platforms</c> of a rule, each <c>os/architecture</c> or <c>os/architecture/variant</c>.</summary>
public sealed record PlatformOptions
{
    /// <summary>Required platforms.</summary>
    public ImmutableArray<string> MustInclude { get; init; } = [];

    /// <summary>The allowed operating systems; empty for any.</summary>
    public ImmutableArray<string> OnlyOs { get; init; } = [];
}

/// <summary>How a text is compared.</summary>
public enum TextComparison
{
    /// <summary>Exactly.</summary>
    Exact,

    /// <summary>As an anchored <see cref="Glob"/>.</summary>
    Glob,

    /// <summary>As an anchored regular expression that matches in linear time (<c>NonBacktracking</c>).</summary>
    Regex,
}

/// <summary>A condition on a text.</summary>
/// <param name="Comparison">How it is compared.</param>
/// <param name="Pattern">The text or pattern to compare with.</param>
public sealed record TextCondition(TextComparison Comparison, string Pattern);

/// <summary>The <c>limits</c> of a rule; null for no limit. Sizes are those in the descriptors, which equal the stored ones.</summary>
public sealed record LimitOptions
{
    /// <summary>Most bytes of config and layers of one manifest.</summary>
    public long? MaxTotalBytes { get; init; }

    /// <summary>Most bytes of one layer.</summary>
    public long? MaxLayerBytes { get; init; }

    /// <summary>Most layers of one manifest.</summary>
    public int? MaxLayers { get; init; }

    /// <summary>Age at which a manifest is refused.</summary>
    public TimeSpan? MaxAge { get; init; }

    /// <summary>Age that a manifest must have before it is served.</summary>
    public TimeSpan? MinAge { get; init; }

    /// <summary>The time from which both ages count.</summary>
    public AgeStart AgeFrom { get; init; } = AgeStart.FirstSeen;
}

/// <summary>The time from which ages count. Never the creation time in a config, which its author chooses.</summary>
public enum AgeStart
{
    /// <summary>When this gateway first saw the manifest, or an index that names it.</summary>
    FirstSeen,

    /// <summary>
    /// The earliest proven time of a signature or attestation that counts for the rule: the signed content is at least as old.
    /// </summary>
    Attested,
}

/// <summary>Whether a tag can move to another manifest.</summary>
public enum TagMutability
{
    /// <summary>It can.</summary>
    Mutable,

    /// <summary>Never.</summary>
    Immutable,

    /// <summary>Only to a version that is not lower. A tag that is itself a full version never moves.</summary>
    MonotonicSemver,
}
