using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>What evidence does to those it is about.</summary>
/// <param name="Operations">What is committed with it.</param>
/// <param name="Expectations">The offers that become live.</param>
/// <param name="Versions">What the verdicts rest on.</param>
/// <param name="Promoted">The tags that become live.</param>
internal sealed record Review(
    ImmutableArray<Operation> Operations, ImmutableArray<Expectation> Expectations,
    ImmutableArray<(Digest Subject, long Version)> Versions, ImmutableArray<TagName> Promoted)
{
    public static readonly Review None = new([], [], [], []);

    /// <summary>The manifests that pullers may have from now on.</summary>
    public ImmutableArray<Digest> Published { get; init; } = [];

    /// <summary>What still does not pass, and why; null where nothing waits.</summary>
    public (Digest Subject, Verdict Verdict)? Unsatisfied { get; init; }

    /// <summary>What to say when the time was up before all was judged; null when it was not.</summary>
    public string? Late { get; init; }
}

/// <summary>Evidence: what waits for it is judged anew with it, before its push is answered.</summary>
internal sealed partial class Repository
{
    /// <summary>
    /// How long a push of evidence waits for what it may publish; the rest is done at the next request. Chosen: below every client's
    /// patience, and a hundred times what judging takes.
    /// </summary>
    private static readonly TimeSpan ReviewTime = TimeSpan.FromSeconds(2);

    /// <summary>
    /// The subjects that a push of evidence names by its tags, and not itself: by cosign's tags with a suffix. A bare one holds an index.
    /// </summary>
    private static IEnumerable<Digest> TaggedSubjects(StoredManifest evidence, IEnumerable<TagName> tags) =>
        evidence.Manifest.Subject is null && ManifestKinds.HasFormOfEvidence(evidence.Manifest)
            ? tags.Select(EvidenceTag.Parse).OfType<EvidenceTag>().Where(static t => !t.IsBare).Select(static t => t.Subject).Distinct()
            : [];

    /// <summary>Judges what a manifest may be evidence about, as if it were stored already.</summary>
    private async ValueTask<Review> ReviewAsync(
        StoredManifest evidence, ImmutableArray<TagName> tags, CancellationToken cancellationToken)
    {
        if (judge.Engine.AdmitsEverything || !ManifestKinds.HasFormOfEvidence(evidence.Manifest)) return Review.None;
        var subjects = TaggedSubjects(evidence, tags).ToImmutableArray();
        if (evidence.Manifest.Subject is { } own) subjects = [own.Digest];
        if (subjects.IsEmpty) return Review.None;
        using var deadline = new CancellationTokenSource(ReviewTime, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var review = Review.None;
        try
        {
            foreach (var (manifest, offers) in await ConcernedAsync(subjects, either.Token))
            {
                either.Token.ThrowIfCancellationRequested();
                review = await ReviewAsync(review, manifest, offers, new(evidence, subjects), either.Token);
            }
            return review;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Review.None with { Late = $"the evidence is stored; what it is about is judged when it is next asked for in {Name}" };
        }
    }

    private async ValueTask<Review> ReviewAsync(
        Review review, StoredManifest manifest, HeldPush[] offers, Brought brought, CancellationToken cancellationToken)
    {
        var closure = await judge.ReadAsync(backing, manifest, brought, cancellationToken, whole: true);
        var arrival = await judge.OfArrivalAsync(closure, Name, Stage.Push, [.. offers.Select(o => o.Tag)], cancellationToken);
        var passed = offers.Where((_, i) => arrival.Tags[i].Verdict.Admits).ToArray();
        var operations = new List<Operation>();
        if (arrival.OfDigest.Admits) operations.AddRange(Releasing(manifest, arrival.OfDigest));
        operations.AddRange(passed.SelectMany(Releasing));
        operations.AddRange(arrival.Counted);
        var worst = Worse(arrival.OfDigest, arrival.Tags.Select(t => t.Verdict).Append(arrival.OfDigest).MaxBy(v => v.Outcome)!);
        return review with
        {
            Operations = [.. review.Operations, .. operations],
            Expectations =
            [
                .. review.Expectations,
                .. passed.Select(o => new Expectation(o.Tag, backing.LiveOf(o.Tag)) { HeldSequence = o.Sequence }),
            ],
            Versions = [.. review.Versions.UnionBy(closure.Versions, v => v.Subject)],
            Promoted = [.. review.Promoted, .. passed.Select(o => o.Tag)],
            Published = arrival.OfDigest.Admits || passed.Length > 0 ? review.Published.Add(manifest.Digest) : review.Published,
            Unsatisfied = review.Unsatisfied ?? (worst.Admits ? null : (manifest.Digest, worst)),
        };
    }

    /// <summary>
    /// The subjects that are here, by whatever name they wait, and every index that waits and has one below it; each with its offers that
    /// still hold.
    /// </summary>
    private async ValueTask<List<(StoredManifest Manifest, HeldPush[] Held)>> ConcernedAsync(
        ImmutableArray<Digest> subjects, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var offers = backing.HeldPushes().Where(o => o.Expires > now).ToLookup(o => o.Digest);
        var above = new HashSet<Digest>();
        if (offers.Count > 0)
        {
            foreach (var subject in subjects) above.UnionWith(await backing.IndexesOfAsync(subject));
        }
        var concerned = new List<(StoredManifest, HeldPush[])>();
        var renamed = offers.Select(o => o.Key).Where(d => d.Algorithm != DigestAlgorithm.Sha256);
        foreach (var digest in subjects.Concat(above.Where(offers.Contains)).Concat(renamed).Distinct())
        {
            if (await backing.ReadLinkAsync(digest, LinkKind.Manifest, cancellationToken) is not null
                && await backing.ReadManifestAsync(digest, cancellationToken) is Result<StoredManifest>.Found { Value: var manifest }
                && (subjects.Contains(digest) || above.Contains(digest) || subjects.Contains(Closure.CanonicalOf(manifest))))
                concerned.Add((manifest, [.. offers[digest]]));
        }
        return concerned;
    }
}
