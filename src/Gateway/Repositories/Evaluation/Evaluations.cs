using System.Collections.Immutable;
using BitFaster.Caching.Lru;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>What the evaluations of one policy share, over all repositories. The configuration in force has one instance.</summary>
/// <param name="contents">Cached results about the bytes of blobs, which outlive the configuration; null to start without any.</param>
/// <param name="signatures">The repositories that the policy names for signatures; null for none.</param>
internal sealed class Evaluations(
    PolicyEngine engine, Decisions decisions, TimeProvider clock, BlobContents? contents = null, SignatureRepositories? signatures = null)
{
    /// <summary>
    /// Maximum number of pieces of evidence that are cached as "noted as counted", about 250 bytes each. Others are noted again.
    /// </summary>
    private const int MostCounted = 4096;

    // Found on first use, and held as long as the policy.
    private readonly Lazy<ImmutableArray<SignatureRepository>> _elsewhere = new(() => signatures is null
        ? []
        : [.. engine.Policy?.Trust.AllSignatureRepositories().Select(signatures.Find).OfType<SignatureRepository>() ?? []]);

    public PolicyEngine Engine => engine;

    public Decisions Decisions => decisions;

    public TimeProvider Clock => clock;

    public BlobContents Contents { get; } = contents ?? new();

    public VerdictCache Verdicts { get; } = new();

    /// <summary>
    /// Whether a rule looks at tags; otherwise the verdict of a tag is that of its digest. mustInclude asks an image for platforms only
    /// under a tag.
    /// </summary>
    public bool ReadsTags { get; } = engine.Policy?.Rules.Any(rule =>
        !rule.IncludeTags.IsEmpty || !rule.ExcludeTags.IsEmpty || rule.Require.TagMutability != TagMutability.Mutable
        || rule.Require.Platforms is { MustInclude.IsEmpty: false }) == true;

    /// <summary>Stages at which a tag has the verdict of its binding: no rule is about one of the two stages without the other.</summary>
    public ImmutableArray<Stage> AlsoBind { get; } = [.. Enum.GetValues<Stage>().Where(stage => engine.Policy?.Rules.All(rule =>
        rule.Stages.IsEmpty || rule.Stages.Contains(stage) == rule.Stages.Contains(Stage.Tag)) != false)];

    /// <summary>Whether a verdict may rest on what a tag was bound to earlier.</summary>
    public bool ReadsHistory { get; } = engine.Policy?.Rules.Any(rule => rule.Require.TagMutability != TagMutability.Mutable) == true;

    /// <summary>The verdict without a policy, and the one that a warm pull gets.</summary>
    public Verdict Admitted { get; } = new(Outcome.Allow, engine.Revision, []);

    /// <summary>The limits of held pushes and evidence.</summary>
    public QuarantineOptions Quarantine { get; } = engine.Policy?.Quarantine ?? new();

    /// <summary>Whether the policy reads evidence in signature repositories.</summary>
    public bool ReadsElsewhere { get; } = engine.Policy?.Trust.AllSignatureRepositories().Any() == true;

    /// <summary>The signature repositories that the policy reads.</summary>
    public ImmutableArray<SignatureRepository> Elsewhere => ReadsElsewhere ? _elsewhere.Value : [];

    /// <summary>The evidence that was noted as counted lately.</summary>
    public ConcurrentLru<(RepositoryName Repository, Digest Subject, Digest Evidence), bool> Counted { get; } = new(MostCounted);

    /// <summary>Evaluates for one repository.</summary>
    /// <param name="name">The canonical name of the repository.</param>
    public Evaluator Of(RepositoryName name, IBacking backing) => new(this, name, backing);
}
