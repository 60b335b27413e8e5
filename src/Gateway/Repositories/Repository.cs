using Gateway.Access;
using Gateway.Configuration;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// The gate of one repository, and the only type that handlers use. It decides what each caller sees and may change, and nothing else does.
/// Pulls, pushes and held pushes are here, in a file for each; promotion, removal, the sweep and the dry run of the policy are classes of
/// their own, which the gate calls after it has checked the caller's rights.
/// </summary>
/// <param name="contents">Finds content on the volume, for mounts and promotions.</param>
/// <param name="recent">Notes which repositories have a blob.</param>
/// <param name="takesPushes">Whether clients may push to it.</param>
/// <param name="takesPushesLater">Whether pushes are accepted while the upstream cannot be asked.</param>
internal sealed partial class Repository(
    IBacking backing, Evaluator evaluator, IContentLookup contents, RecentBlobs recent, bool takesPushes, bool takesPushesLater = false)
{
    private readonly BlobAdmission _admission = new(backing, evaluator);

    // Made on first use: few repositories look elsewhere.
    private NamedElsewhere? _elsewhere;

    /// <summary>The canonical name: rights and rules are evaluated with it.</summary>
    public RepositoryName Name => evaluator.Name;

    /// <summary>Evaluates the policy for what the repository has, without effect.</summary>
    public PolicyDryRun DryRun => new(backing, evaluator);

    /// <summary>Reads the repository for people who look at it, without effect.</summary>
    /// <param name="verdicts">Caches verdicts as long as the policy is in force.</param>
    public Inspection Inspect(VerdictCache verdicts) => new(backing, evaluator, takesPushes, verdicts);

    /// <summary>
    /// What a HEAD answers that a client sends before a push. Containerd and other clients push only after 200 and 404, so an upstream that
    /// cannot be asked must not answer "not now" when pushes are accepted without it.
    /// </summary>
    public Answer<T> BeforePush<T>(Caller caller, Answer<T> answer) =>
        // Damaged content is pushed again only by clients that do not find it.
        answer is Answer<T>.Unavailable { IsDamaged: true } ? new Answer<T>.Absent(answer.Handling)
        : !takesPushesLater || answer is not Answer<T>.Unavailable { Why: var why } ? answer
        : !caller.MayPush ? answer with { SparesPushers = true }
        : new Answer<T>.Absent(answer.Handling with { Notice = Printable.Line(why, PolicyEngine.MaxMessage) });

    /// <summary>Promotes a manifest of another repository: copies it with its evidence, and binds a tag to it.</summary>
    /// <param name="caller">The caller here.</param>
    /// <param name="source">The repository that has the manifest.</param>
    /// <param name="there">The caller there.</param>
    /// <param name="tag">The tag to bind here.</param>
    public async ValueTask<Answer<PushedManifest>> PromoteAsync(
        Caller caller, Repository source, Caller there, Reference reference, TagName tag, CancellationToken cancellationToken)
    {
        if (RefuseChange<PushedManifest>(caller, AccessActions.Push) is { } refusal) return refusal;
        if (!there.MayPull) return new Answer<PushedManifest>.Absent(CacheHandling.Local);
        var read = await source.GetManifestAsync(there, reference, cancellationToken);
        if (read is not Answer<StoredManifest>.Found found) return read.WithoutValue<StoredManifest, PushedManifest>();
        var promotion = new Promotion(backing, evaluator, contents);
        return await Changes.WriteAsync(() => promotion.PromoteAsync(
            caller, source.Evaluator, source.Backing, found.Value, tag, blob => recent.Note(blob, Name), cancellationToken));
    }

    /// <summary>Deletes a manifest and every tag bound to it; by tag, the tag alone and its held push.</summary>
    public async ValueTask<Answer<Digest>> DeleteManifestAsync(Caller caller, Reference reference, CancellationToken cancellationToken) =>
        RefuseChange<Digest>(caller, AccessActions.Delete)
        ?? await new Removal(backing, evaluator).DeleteManifestAsync(caller, reference, cancellationToken);

    public async ValueTask<Answer<Digest>> DeleteBlobAsync(Caller caller, Digest digest, CancellationToken cancellationToken) =>
        RefuseChange<Digest>(caller, AccessActions.Delete)
        ?? await new Removal(backing, evaluator).DeleteBlobAsync(caller, digest, cancellationToken);

    /// <summary>Removes expired held pushes and orphaned evidence.</summary>
    public ValueTask SweepAsync(CancellationToken cancellationToken) => takesPushes
        ? new RepositorySweep(backing, evaluator).SweepAsync(cancellationToken)
        : ValueTask.CompletedTask;

    private IBacking Backing => backing;

    private Evaluator Evaluator => evaluator;

    /// <summary>
    /// Whether the caller sees held content: it has an account, and may push here. An open gateway has no accounts, so no caller of it does
    /// (docs/design/0004-gate.md).
    /// </summary>
    private bool IsKnownPusher(Caller caller) => takesPushes && caller.MayPush && caller.Actor != Caller.Anonymous;

    /// <summary>
    /// Refuses a change when the repository accepts none, or the caller lacks the right. The HTTP handler has checked the right already.
    /// The gate checks it again, so that no handler can omit the check (CVE-2026-41888: one method did not check it).
    /// </summary>
    private Answer<T>? RefuseChange<T>(Caller caller, AccessActions needs)
    {
        if (!takesPushes) return NoPushes<T>();
        return caller.Rights.HasFlag(needs)
            ? null
            : new Answer<T>.Invalid(
                RegistryErrorCode.DENIED,
                $"expected the right {needs.ToString().ToLowerInvariant()} in {Name}, {caller.Actor} does not have it; "
                + "ask the operator for it");
    }

    private Answer<T> NoPushes<T>() => new Answer<T>.Invalid(
        RegistryErrorCode.UNSUPPORTED,
        $"{Name} is pulled through from an upstream and accepts no pushes; push to a repository of built-in storage, or let the operator "
        + "write push: forward on its route", Cause: InvalidCause.NotSupportedHere);
}
