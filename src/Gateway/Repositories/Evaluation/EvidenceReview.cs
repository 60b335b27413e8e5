using System.Collections.Immutable;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>What pushed evidence changes for the manifests that it is about.</summary>
/// <param name="Operations">Operations to commit with the evidence.</param>
/// <param name="Expectations">The held pushes that are released.</param>
/// <param name="Versions">The versions of the subjects that the verdicts rest on.</param>
/// <param name="Released">The tags that become live.</param>
internal sealed record Review(
    ImmutableArray<Operation> Operations, ImmutableArray<Expectation> Expectations,
    ImmutableArray<(Digest Subject, long Version)> Versions, ImmutableArray<TagName> Released)
{
    /// <summary>The evidence changes nothing.</summary>
    public static readonly Review None = new([], [], [], []);

    /// <summary>The manifests that pullers see from now on.</summary>
    public ImmutableArray<Digest> Published { get; init; } = [];

    /// <summary>A subject that is still not admitted, and its verdict; null when there is none.</summary>
    public (Digest Subject, Verdict Verdict)? Unsatisfied { get; init; }

    /// <summary>What to tell the client when the time was over before everything was evaluated; null otherwise.</summary>
    public string? Late { get; init; }
}

/// <summary>
/// Evaluates what pushed evidence is about, as if the evidence were stored already, so that one change stores the evidence and releases
/// the held pushes that waited for it.
/// </summary>
internal sealed class EvidenceReview(IBacking backing, Evaluator evaluator)
{
    /// <summary>
    /// How long a push of evidence waits for its review; the next request does the rest. Chosen: shorter than any client waits, and a
    /// hundred times as long as an evaluation takes.
    /// </summary>
    private static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(2);

    /// <summary>
    /// The subjects that evidence without a subject has by its tags: those with one of cosign's suffixes. A bare tag of this form holds an
    /// index.
    /// </summary>
    public static IEnumerable<Digest> TaggedSubjects(StoredManifest evidence, IEnumerable<TagName> tags) =>
        evidence.Manifest.Subject is null && ManifestKinds.HasFormOfEvidence(evidence.Manifest)
            ? tags.Select(EvidenceTag.Parse).OfType<EvidenceTag>().Where(static t => !t.IsBare).Select(static t => t.Subject).Distinct()
            : [];

    /// <summary>Evaluates the manifests that a pushed manifest may be evidence about.</summary>
    public async ValueTask<Review> ReviewAsync(StoredManifest evidence, ImmutableArray<TagName> tags, CancellationToken cancellationToken)
    {
        if (evaluator.Engine.AdmitsEverything || !ManifestKinds.HasFormOfEvidence(evidence.Manifest)) return Review.None;
        var subjects = TaggedSubjects(evidence, tags).ToImmutableArray();
        if (evidence.Manifest.Subject is { } own) subjects = [own.Digest];
        if (subjects.IsEmpty) return Review.None;
        using var deadline = new CancellationTokenSource(MaxTime, evaluator.Clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var review = Review.None;
        try
        {
            foreach (var (manifest, held) in await ConcernedAsync(subjects, either.Token))
            {
                either.Token.ThrowIfCancellationRequested();
                review = await AddAsync(review, manifest, held, new(evidence, subjects), either.Token);
            }
            return review;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Review.None with
            {
                Late = $"the evidence is stored; the gateway evaluates its subject at the next request for it in {evaluator.Name}",
            };
        }
    }

    /// <summary>Operations that admit a stored manifest.</summary>
    public static IEnumerable<Operation> Admitting(Evaluator evaluator, StoredManifest manifest, Verdict ofDigest)
    {
        var links = StoreOperations.Links(manifest, ofDigest.Admits);
        return Evaluator.MayBeAboutOthers(manifest.Manifest)
            ? links
            : links.Prepend(new Operation.SetVerdict(manifest.Digest, evaluator.Stamp(ofDigest)));
    }

    /// <summary>Operations that make a held push live.</summary>
    public static Operation[] Releasing(HeldPush held) =>
        [new Operation.SetLive(held.Tag, held.Digest), new Operation.EndHold(held.Tag)];

    private async ValueTask<Review> AddAsync(
        Review review, StoredManifest manifest, HeldPush[] held, Brought brought, CancellationToken cancellationToken)
    {
        var closure = await evaluator.ReadAsync(manifest, cancellationToken, brought, whole: true);
        var arrival = await evaluator.OfArrivalAsync(closure, Stage.Push, [.. held.Select(h => h.Tag)], cancellationToken);
        var passed = held.Where((_, i) => arrival.Tags[i].Verdict.Admits).ToArray();
        var operations = new List<Operation>();
        if (arrival.OfDigest.Admits) operations.AddRange(Admitting(evaluator, manifest, arrival.OfDigest));
        operations.AddRange(passed.SelectMany(Releasing));
        operations.AddRange(arrival.Counted);
        var worst = Verdicts.Worse(arrival.OfDigest, arrival.Tags.Select(t => t.Verdict).Append(arrival.OfDigest).MaxBy(v => v.Outcome)!);
        return review with
        {
            Operations = [.. review.Operations, .. operations],
            Expectations =
            [
                .. review.Expectations,
                .. passed.Select(h => new Expectation(h.Tag, backing.LiveOf(h.Tag)) { HeldSequence = h.Sequence }),
            ],
            Versions = [.. review.Versions.UnionBy(closure.Versions, v => v.Subject)],
            Released = [.. review.Released, .. passed.Select(h => h.Tag)],
            Published = arrival.OfDigest.Admits || passed.Length > 0 ? review.Published.Add(manifest.Digest) : review.Published,
            Unsatisfied = review.Unsatisfied ?? (worst.Admits ? null : (manifest.Digest, worst)),
        };
    }

    /// <summary>
    /// The manifests to evaluate, each with its held pushes that have not expired: the subjects that the repository has, under whatever
    /// digest they are held, and every held index that has a subject below it.
    /// </summary>
    private async ValueTask<List<(StoredManifest Manifest, HeldPush[] Held)>> ConcernedAsync(
        ImmutableArray<Digest> subjects, CancellationToken cancellationToken)
    {
        var now = evaluator.Now;
        var held = backing.HeldPushes().Where(h => h.Expires > now).ToLookup(h => h.Digest);
        var above = new HashSet<Digest>();
        if (held.Count > 0)
        {
            foreach (var subject in subjects) above.UnionWith(await backing.IndexesOfAsync(subject));
        }
        var concerned = new List<(StoredManifest, HeldPush[])>();
        var otherNames = held.Select(h => h.Key).Where(d => d.Algorithm != DigestAlgorithm.Sha256);
        foreach (var digest in subjects.Concat(above.Where(held.Contains)).Concat(otherNames).Distinct())
        {
            if (await backing.ReadLinkedAsync(digest, cancellationToken) is { } manifest
                && (subjects.Contains(digest) || above.Contains(digest) || subjects.Contains(Closure.CanonicalOf(manifest))))
                concerned.Add((manifest, [.. held[digest]]));
        }
        return concerned;
    }
}
