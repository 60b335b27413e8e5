using System.Collections.Immutable;
using Gateway.Policy.Signatures;

namespace Gateway.Policy;

/// <summary>The <c>require</c> section of a rule: all that it names must hold.</summary>
public sealed record RequireOptions
{
    /// <summary>Whether the artifact type must be allowed (binds evidence too, whatever kinds the rule names).</summary>
    public bool ArtifactTypes { get; init; }

    /// <summary>Who must have signed it: each of these.</summary>
    public ImmutableArray<SignatureRequirementOptions> Signatures { get; init; } = [];

    /// <summary>What must be attested of it, and by whom: each of these.</summary>
    public ImmutableArray<AttestationRequirementOptions> Attestations { get; init; } = [];

    /// <summary>What of their media types the bytes must bear out; empty for nothing.</summary>
    public ImmutableArray<MediaClaim> TruthfulMedia { get; init; } = [];

    /// <summary>Whether each layer, unpacked, must have the digest that the image's config names.</summary>
    public bool LayerDigestCheck { get; init; }

    /// <summary>Platforms that must be offered, and those that may be; null for any.</summary>
    public PlatformOptions? Platforms { get; init; }

    /// <summary>What annotations must say, by their names.</summary>
    public ImmutableSortedDictionary<string, TextCondition> Annotations { get; init; } =
        ImmutableSortedDictionary<string, TextCondition>.Empty;

    /// <summary>Whether the manifest's annotations are looked at for <see cref="Annotations"/>.</summary>
    public bool AnnotationsFromManifest { get; init; } = true;

    /// <summary>Whether the labels of the image's config are looked at for <see cref="Annotations"/>.</summary>
    public bool AnnotationsFromLabels { get; init; }

    /// <summary>Bounds of size and age; null for none.</summary>
    public LimitOptions? Limits { get; init; }

    /// <summary>Whether a tag may move.</summary>
    public TagMutability TagMutability { get; init; } = TagMutability.Mutable;

    /// <summary>Whether nothing is required at all.</summary>
    public bool IsEmpty =>
        !ArtifactTypes && Signatures.IsEmpty && Attestations.IsEmpty && TruthfulMedia.IsEmpty && !LayerDigestCheck && Platforms is null
        && Annotations.IsEmpty && Limits is null && TagMutability == TagMutability.Mutable;
}

/// <summary>What a media type claims of the bytes.</summary>
public enum MediaClaim
{
    /// <summary>That they are packed with gzip (<c>+gzip</c>, <c>.gzip</c>).</summary>
    Gzip,

    /// <summary>That they are packed with zstd (<c>+zstd</c>).</summary>
    Zstd,

    /// <summary>That they are a tar archive once unpacked (<c>.tar</c>).</summary>
    Tar,

    /// <summary>That they are JSON (<c>+json</c>).</summary>
    Json,
}

/// <summary>The <c>platforms</c> of a rule, each <c>os/architecture</c> or <c>os/architecture/variant</c>.</summary>
public sealed record PlatformOptions
{
    /// <summary>Platforms that must be offered.</summary>
    public ImmutableArray<string> MustInclude { get; init; } = [];

    /// <summary>The only operating systems that may be; empty for any.</summary>
    public ImmutableArray<string> OnlyOs { get; init; } = [];
}

/// <summary>How a text is compared.</summary>
public enum TextComparison
{
    /// <summary>Exactly.</summary>
    Exact,

    /// <summary>As an anchored <see cref="Glob"/>.</summary>
    Glob,

    /// <summary>As an anchored regular expression in time linear to the text (<c>NonBacktracking</c>).</summary>
    Regex,
}

/// <summary>What a text must be.</summary>
/// <param name="Comparison">How it is compared.</param>
/// <param name="Pattern">With what.</param>
public sealed record TextCondition(TextComparison Comparison, string Pattern);

/// <summary>The <c>limits</c> of a rule; null for no bound. Sizes are those that descriptors state, which are the stored ones.</summary>
public sealed record LimitOptions
{
    /// <summary>Most bytes of config and layers of one manifest.</summary>
    public long? MaxTotalBytes { get; init; }

    /// <summary>Most bytes of one layer.</summary>
    public long? MaxLayerBytes { get; init; }

    /// <summary>Most layers of one manifest.</summary>
    public int? MaxLayers { get; init; }

    /// <summary>Age from which a manifest is refused.</summary>
    public TimeSpan? MaxAge { get; init; }

    /// <summary>Age that a manifest must have before it is served.</summary>
    public TimeSpan? MinAge { get; init; }

    /// <summary>What both ages count from.</summary>
    public AgeStart AgeFrom { get; init; } = AgeStart.FirstSeen;
}

/// <summary>What ages count from. Never from what a config says of its creation, which is its author's word.</summary>
public enum AgeStart
{
    /// <summary>When this gateway first saw the manifest, or an index that names it.</summary>
    FirstSeen,

    /// <summary>
    /// The earliest moment that is proven of a signature or attestation which counts for the rule: what it signs is at least as old.
    /// </summary>
    Attested,
}

/// <summary>Whether a tag may move to another manifest.</summary>
public enum TagMutability
{
    /// <summary>It may.</summary>
    Mutable,

    /// <summary>Never.</summary>
    Immutable,

    /// <summary>Only to a version that is not lower; a tag that is a full version itself never.</summary>
    MonotonicSemver,
}
