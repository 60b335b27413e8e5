namespace Gateway.Policy;

/// <summary>When a rule is evaluated.</summary>
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

/// <summary>The kind of a manifest.</summary>
public enum ManifestKind
{
    /// <summary>A container image.</summary>
    Image,

    /// <summary>An index of images.</summary>
    Index,

    /// <summary>Any other artifact.</summary>
    Artifact,

    /// <summary>A signature, attestation or other evidence about another manifest.</summary>
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

/// <summary>The outcome for missing evidence.</summary>
public enum OnMissing
{
    /// <summary>Refused.</summary>
    Deny,

    /// <summary>Stored, and hidden from pullers until the evidence is there.</summary>
    Quarantine,

    /// <summary>Admitted with a warning to the client.</summary>
    Warn,
}

/// <summary>One rule of <c>policy.rules</c>.</summary>
public sealed record RuleOptions
{
    /// <summary>The rule's name in decisions.</summary>
    public required string Id { get; init; }

    /// <summary>Repositories, as anchored globs (<c>*</c> one segment, <c>**</c> any); empty means all.</summary>
    public ImmutableArray<string> Repositories { get; init; } = [];

    /// <summary>Excluded repositories, as anchored globs.</summary>
    public ImmutableArray<string> ExceptRepositories { get; init; } = [];

    /// <summary>Included tags, as globs; empty means all.</summary>
    public ImmutableArray<string> IncludeTags { get; init; } = [];

    /// <summary>Excluded tags, as globs.</summary>
    public ImmutableArray<string> ExcludeTags { get; init; } = [];

    /// <summary>Kinds; the default is all except evidence.</summary>
    public ImmutableArray<ManifestKind> Kinds { get; init; } = [ManifestKind.Image, ManifestKind.Index, ManifestKind.Artifact];

    /// <summary>Stages; empty means all.</summary>
    public ImmutableArray<Stage> Stages { get; init; } = [];

    /// <summary>The requirements.</summary>
    public RequireOptions Require { get; init; } = new();

    /// <summary>The outcome of a finding that more evidence could fix.</summary>
    public OnMissing OnMissing { get; init; } = OnMissing.Deny;

    /// <summary>How the outcome counts.</summary>
    public RuleMode Mode { get; init; } = RuleMode.Enforce;

    /// <summary>The text for the person whose request is refused; it replaces the built-in fix.</summary>
    public string? Fix { get; init; }

    /// <summary>Whether the rule matches a repository.</summary>
    public bool IsAbout(RepositoryName repository) =>
        (Repositories.IsEmpty || Glob.IsMatch(Repositories, repository.Value)) && !Glob.IsMatch(ExceptRepositories, repository.Value);
}
