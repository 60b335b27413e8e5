using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>The <c>policy</c> section of gateway.yaml, checked.</summary>
public sealed record PolicyOptions
{
    /// <summary>What happens where no rule matches: <see cref="Outcome.Allow"/> or <see cref="Outcome.Deny"/>.</summary>
    public required Outcome Default { get; init; }

    /// <summary>Bounds of documents, and whether foreign layers may be.</summary>
    public ParserOptions Parser { get; init; } = new();

    /// <summary>Which artifact types may exist; null when the section names none.</summary>
    public ArtifactTypeOptions? ArtifactTypes { get; init; }

    /// <summary>The rules, in the file's order; every rule that matches applies, and the worst outcome wins.</summary>
    public ImmutableArray<RuleOptions> Rules { get; init; } = [];
}

/// <summary>The <c>policy.parser</c> section.</summary>
public sealed record ParserOptions
{
    /// <summary>Bounds of one document.</summary>
    public ManifestLimits Limits { get; init; } = new();

    /// <summary>Deepest nesting of indexes below an index.</summary>
    public int MaxIndexDepth { get; init; } = 3;

    /// <summary>Hosts that layers with <c>urls</c> may name (https only); empty refuses such layers.</summary>
    public ImmutableArray<string> ForeignLayerHosts { get; init; } = [];
}

/// <summary>How <see cref="ArtifactTypeOptions.Allowed"/> is read.</summary>
public enum ArtifactTypeSemantics
{
    /// <summary>Each layer type must be listed under its own config type.</summary>
    Pairs,

    /// <summary>Quay up to 3.11: any listed config with any listed layer.</summary>
    QuayUnion,

    /// <summary>Quay from 3.12: the list is not enforced.</summary>
    QuayOff,
}

/// <summary>The <c>policy.artifactTypes</c> section, with Quay's settings verbatim.</summary>
public sealed record ArtifactTypeOptions
{
    /// <summary>How the list is read.</summary>
    public ArtifactTypeSemantics Semantics { get; init; } = ArtifactTypeSemantics.Pairs;

    /// <summary>
    /// Whether <see cref="Allowed"/> adds to Quay's defaults (<c>merge: extend</c>) or takes their place (<c>replace</c>, as Quay does).
    /// </summary>
    public bool Extend { get; init; }

    /// <summary>
    /// Quay's <c>ALLOWED_OCI_ARTIFACT_TYPES</c>: config type → layer types; null when left out, which means Quay's defaults.
    /// </summary>
    public ImmutableSortedDictionary<string, ImmutableArray<string>>? Allowed { get; init; }

    /// <summary>Quay's <c>FEATURE_GENERAL_OCI_SUPPORT</c>.</summary>
    public bool GeneralOciSupport { get; init; } = true;

    /// <summary>Quay's <c>FEATURE_HELM_OCI_SUPPORT</c>.</summary>
    public bool HelmOciSupport { get; init; } = true;
}

/// <summary>When a rule is asked.</summary>
public enum Stage
{
    /// <summary>A manifest is pushed.</summary>
    Push,

    /// <summary>A manifest is fetched from an upstream for the first time.</summary>
    ProxyFetch,

    /// <summary>A tag is bound to a manifest.</summary>
    Tag,

    /// <summary>A manifest is pulled.</summary>
    Pull,

    /// <summary>A manifest is promoted from another repository.</summary>
    Promote,
}

/// <summary>What kind of thing a manifest is.</summary>
public enum ManifestKind
{
    /// <summary>A container image.</summary>
    Image,

    /// <summary>An index of images.</summary>
    Index,

    /// <summary>Any other artifact.</summary>
    Artifact,

    /// <summary>A signature, attestation or the like about another manifest.</summary>
    Evidence,
}

/// <summary>How a rule's outcome counts.</summary>
public enum RuleMode
{
    /// <summary>The outcome holds.</summary>
    Enforce,

    /// <summary>A denial becomes a warning.</summary>
    Warn,

    /// <summary>A denial is only recorded.</summary>
    Audit,
}

/// <summary>One rule of <c>policy.rules</c>.</summary>
public sealed record RuleOptions
{
    /// <summary>The rule's name in decisions.</summary>
    public required string Id { get; init; }

    /// <summary>Repositories, as anchored globs (<c>*</c> one segment, <c>**</c> any); empty means all.</summary>
    public ImmutableArray<string> Repositories { get; init; } = [];

    /// <summary>Tags included, as globs; empty means all.</summary>
    public ImmutableArray<string> IncludeTags { get; init; } = [];

    /// <summary>Tags left out again, as globs.</summary>
    public ImmutableArray<string> ExcludeTags { get; init; } = [];

    /// <summary>Kinds; the default is all but evidence.</summary>
    public ImmutableArray<ManifestKind> Kinds { get; init; } = [ManifestKind.Image, ManifestKind.Index, ManifestKind.Artifact];

    /// <summary>Stages; empty means all.</summary>
    public ImmutableArray<Stage> Stages { get; init; } = [];

    /// <summary>Whether the artifact type must be allowed (binds evidence too, whatever <see cref="Kinds"/> says).</summary>
    public bool RequireArtifactTypes { get; init; }

    /// <summary>How the outcome counts.</summary>
    public RuleMode Mode { get; init; } = RuleMode.Enforce;

    /// <summary>What to tell the person who is refused, in place of our own words.</summary>
    public string? Fix { get; init; }
}
