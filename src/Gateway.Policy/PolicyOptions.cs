using System.Text.Json.Serialization;
using Gateway.Policy.Signatures;

namespace Gateway.Policy;

/// <summary>The <c>policy</c> section of gateway.yaml, checked.</summary>
public sealed record PolicyOptions
{
    /// <summary>The outcome when no rule matches: <see cref="Outcome.Allow"/> or <see cref="Outcome.Deny"/>.</summary>
    public required Outcome Default { get; init; }

    /// <summary>Limits of documents, and the hosts of foreign layers.</summary>
    public ParserOptions Parser { get; init; } = new();

    /// <summary>The allowed artifact types; null when the section names none.</summary>
    public ArtifactTypeOptions? ArtifactTypes { get; init; }

    /// <summary>Whose signatures count: keys, roots and authorities.</summary>
    public TrustOptions Trust { get; init; } = new();

    /// <summary>The rules, in the order of the file. Every matching rule applies, and the worst outcome wins.</summary>
    public ImmutableArray<RuleOptions> Rules { get; init; } = [];

    /// <summary>Exceptions: each lifts one rule for some content until a date.</summary>
    public ImmutableArray<ExceptionOptions> Exceptions { get; init; } = [];

    /// <summary>
    /// URL that explains a decision, with <c>{id}</c> for the decision's id; null for this gateway under the host that the client uses. It
    /// does not affect verdicts.
    /// </summary>
    [JsonIgnore]
    public string? ExplainUrl { get; init; }

    /// <summary>Limits and lifetimes of held pushes and of evidence without a subject.</summary>
    public QuarantineOptions Quarantine { get; init; } = new();
}

/// <summary>One entry of <c>policy.exceptions</c>: until a date, the rule is only recorded for these repositories and manifests.</summary>
public sealed record ExceptionOptions
{
    /// <summary>The exception's name in decisions.</summary>
    public required string Id { get; init; }

    /// <summary>Id of the rule that the exception lifts.</summary>
    public required string Rule { get; init; }

    /// <summary>Repositories, as anchored globs; never empty.</summary>
    public required ImmutableArray<string> Repositories { get; init; }

    /// <summary>Digests of manifests; empty for every manifest of these repositories.</summary>
    public ImmutableArray<Digest> Digests { get; init; } = [];

    /// <summary>The time from which the rule applies again.</summary>
    public required DateTimeOffset Until { get; init; }

    /// <summary>The person who is responsible for the exception.</summary>
    public required string By { get; init; }

    /// <summary>The reason for the exception.</summary>
    public required string Reason { get; init; }
}

/// <summary>The <c>policy.quarantine</c> section. The policy decides what is held; the repositories store it.</summary>
public sealed record QuarantineOptions
{
    /// <summary>Lifetime of a held push.</summary>
    public TimeSpan PendingTtl { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Lifetime of evidence whose subject is not stored.</summary>
    public TimeSpan OrphanEvidenceTtl { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Most held pushes in one repository.</summary>
    public int MaxPendingPerRepo { get; init; } = 200;

    /// <summary>Most evidence manifests about one subject. Chosen: a daily scan for over two years.</summary>
    public int MaxReferrersPerSubject { get; init; } = 1000;

    /// <summary>
    /// Most evidence manifests in one repository whose subject is not stored. Chosen: many more than one build signs in advance.
    /// </summary>
    public int MaxOrphansPerRepo { get; init; } = 1000;
}

/// <summary>The <c>policy.parser</c> section.</summary>
public sealed record ParserOptions
{
    /// <summary>Limits of one document.</summary>
    public ManifestLimits Limits { get; init; } = new();

    /// <summary>Deepest nesting of indexes below an index.</summary>
    public int MaxIndexDepth { get; init; } = 3;

    /// <summary>Hosts that layers with <c>urls</c> can name (https only); empty refuses such layers.</summary>
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
    /// Whether <see cref="Allowed"/> extends Quay's defaults (<c>merge: extend</c>) or replaces them (<c>replace</c>, as in Quay).
    /// </summary>
    public bool Extend { get; init; }

    /// <summary>
    /// Groups of types that are allowed in addition to <see cref="Allowed"/>, and disable the defaults; null when absent. With <see
    /// cref="ArtifactTypeSemantics.Pairs"/> and Quay's defaults, null means what common tools push by default, otherwise none.
    /// </summary>
    public ImmutableArray<ArtifactTypePreset>? Presets { get; init; }

    /// <summary>
    /// Quay's <c>ALLOWED_OCI_ARTIFACT_TYPES</c>: config type → layer types. Null when absent, which means Quay's defaults unless <see
    /// cref="Presets"/> are named.
    /// </summary>
    public ImmutableSortedDictionary<string, ImmutableArray<string>>? Allowed { get; init; }

    /// <summary>Quay's <c>FEATURE_GENERAL_OCI_SUPPORT</c>.</summary>
    public bool GeneralOciSupport { get; init; } = true;

    /// <summary>Quay's <c>FEATURE_HELM_OCI_SUPPORT</c>.</summary>
    public bool HelmOciSupport { get; init; } = true;
}
