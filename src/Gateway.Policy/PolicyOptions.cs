using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Gateway.Oci;
using Gateway.Policy.Signatures;

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

    /// <summary>Whose signatures count.</summary>
    public TrustOptions Trust { get; init; } = new();

    /// <summary>The rules, in the file's order; every rule that matches applies, and the worst outcome wins.</summary>
    public ImmutableArray<RuleOptions> Rules { get; init; } = [];

    /// <summary>Named, dated holes in the rules.</summary>
    public ImmutableArray<ExceptionOptions> Exceptions { get; init; } = [];

    /// <summary>
    /// Where people read why, with <c>{id}</c> for the decision's id; null for this gateway as the client calls it. Nothing is judged by
    /// it.
    /// </summary>
    [JsonIgnore]
    public string? ExplainUrl { get; init; }

    /// <summary>How what waits for evidence is kept.</summary>
    public QuarantineOptions Quarantine { get; init; } = new();
}

/// <summary>One entry of <c>policy.exceptions</c>: for these repositories and manifests the rule is only recorded, until a day.</summary>
public sealed record ExceptionOptions
{
    /// <summary>The exception's name in decisions.</summary>
    public required string Id { get; init; }

    /// <summary>Id of the rule that it lifts.</summary>
    public required string Rule { get; init; }

    /// <summary>Repositories, as anchored globs; never empty.</summary>
    public required ImmutableArray<string> Repositories { get; init; }

    /// <summary>Manifests; empty means all of these repositories.</summary>
    public ImmutableArray<Digest> Digests { get; init; } = [];

    /// <summary>From this moment the rule holds again.</summary>
    public required DateTimeOffset Until { get; init; }

    /// <summary>Who answers for it.</summary>
    public required string By { get; init; }

    /// <summary>Why it is there.</summary>
    public required string Reason { get; init; }
}

/// <summary>The <c>policy.quarantine</c> section; the policy says what waits, the repositories keep it.</summary>
public sealed record QuarantineOptions
{
    /// <summary>How long a tag waits for evidence.</summary>
    public TimeSpan PendingTtl { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How long evidence waits for its subject.</summary>
    public TimeSpan OrphanEvidenceTtl { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Most tags that wait in one repository.</summary>
    public int MaxPendingPerRepo { get; init; } = 200;

    /// <summary>Most manifests that may say something about one subject. Chosen: a daily scan for over two years.</summary>
    public int MaxReferrersPerSubject { get; init; } = 1000;

    /// <summary>Most manifests of one repository that may say something about what is not there. Chosen: many more than one build signs
    /// ahead.</summary>
    public int MaxOrphansPerRepo { get; init; } = 1000;
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
    /// The groups of types that are allowed beside <see cref="Allowed"/>, and no default with them; null when left out. With
    /// <see cref="ArtifactTypeSemantics.Pairs"/> and Quay's defaults in force that means what common tools push by default, else none.
    /// </summary>
    public ImmutableArray<ArtifactTypePreset>? Presets { get; init; }

    /// <summary>
    /// Quay's <c>ALLOWED_OCI_ARTIFACT_TYPES</c>: config type → layer types; null when left out, which means Quay's defaults unless
    /// <see cref="Presets"/> are named.
    /// </summary>
    public ImmutableSortedDictionary<string, ImmutableArray<string>>? Allowed { get; init; }

    /// <summary>Quay's <c>FEATURE_GENERAL_OCI_SUPPORT</c>.</summary>
    public bool GeneralOciSupport { get; init; } = true;

    /// <summary>Quay's <c>FEATURE_HELM_OCI_SUPPORT</c>.</summary>
    public bool HelmOciSupport { get; init; } = true;
}
