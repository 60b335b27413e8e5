using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using Gateway.Access;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>The verdicts of a manifest that arrives, and of each tag that it arrives for.</summary>
/// <param name="Refusal">The worst verdict of the arrival: when it denies, nothing is stored.</param>
/// <param name="OfDigest">The verdict for pulls by digest.</param>
/// <param name="Tags">For each tag the worst verdict of arrival, binding and pull: a tag whose verdict admits may be live.</param>
/// <param name="Versions">The versions of the subjects that the verdicts rest on.</param>
internal sealed record Arrival(
    Verdict Refusal, Verdict OfDigest, ImmutableArray<(TagName Tag, Verdict Verdict)> Tags,
    ImmutableArray<(Digest Subject, long Version)> Versions)
{
    /// <summary>The evidence that counted, and its subjects.</summary>
    public ImmutableHashSet<(Digest Subject, Digest Evidence)> Verified { get; init; } = [];

    /// <summary>What the tags were bound to, as far as the verdicts rest on it.</summary>
    public ImmutableArray<Expectation> Bound { get; init; } = [];

    /// <summary>Operations that note the evidence that counted, when anything is admitted by it.</summary>
    public IEnumerable<Operation> Counted => IsPublished
        ? Verified.Select(v => new Operation.AddEvidence(v.Subject, v.Evidence) { Counted = true })
        : [];

    /// <summary>Whether pullers may pull it, by its digest or by a tag.</summary>
    public bool IsPublished => OfDigest.Admits || Tags.Any(t => t.Verdict.Admits);

    public bool IsRefused => Refusal.Outcome == Outcome.Deny;

    public Verdict Worst => Tags.Select(t => t.Verdict).Append(OfDigest).Append(Refusal).MaxBy(v => v.Outcome)!;
}

/// <summary>Evaluates the policy for the manifests of one repository, and records decisions about them.</summary>
/// <param name="name">The canonical name of the repository.</param>
internal sealed partial class Evaluator(Evaluations shared, RepositoryName name, IBacking backing)
{
    /// <summary>When to ask again for what could not be evaluated: a failed upstream is not asked sooner (UpstreamAnswers).</summary>
    private static readonly TimeSpan RetryUnknown = TimeSpan.FromSeconds(5);

    public RepositoryName Name => name;

    public TimeProvider Clock => shared.Clock;

    public DateTimeOffset Now => Clock.GetUtcNow();

    public PolicyEngine Engine => shared.Engine;

    /// <summary>See <see cref="Evaluations.ReadsHistory"/>.</summary>
    public bool ReadsHistory => shared.ReadsHistory;

    /// <summary>The limits of held pushes and evidence.</summary>
    public QuarantineOptions Quarantine => shared.Quarantine;

    /// <summary>The verdict for pulls of a stored manifest: the one noted under this policy, or a new one, which is then noted.</summary>
    public async ValueTask<Verdict> OfStoredAsync(StoredManifest manifest, TagName? tag, CancellationToken cancellationToken)
    {
        if (Engine.AdmitsEverything) return shared.Admitted;
        // Whether an index is evidence depends on what it lists: under a tag it is evaluated when it arrives.
        if (!ReadsTag(tag, ManifestKinds.HasFormOfEvidence(manifest.Manifest))) tag = null;
        var (now, basis) = (Now, CurrentBasis());
        // A verdict for a digest other than sha256 rests on notes under the sha256 digest, which may be removed with that one.
        if (tag is null && manifest.Digest.Algorithm == DigestAlgorithm.Sha256 && IsAdmitted(manifest.Verdict, now)) return shared.Admitted;
        var key = new VerdictKey(name, manifest.Digest, tag, Arrival: null);
        if (shared.Verdicts.Find(key, basis, backing.Lost, now) is { } known) return known with { IsRemembered = true };
        return await shared.Verdicts.SeekAsync(key, basis, SeekAsync, cancellationToken);

        async Task<Verdict> SeekAsync()
        {
            var began = Clock.GetTimestamp();
            var closure = await ReadAsync(manifest, CancellationToken.None);
            var own = await AskAsync(closure, Stage.Pull, tag, CancellationToken.None);
            var (verdict, subjects) = await WithSubjectsAsync(manifest, own, 0, null, CancellationToken.None);
            // Evidence about a missing subject is hidden with the subject once that is pushed. Until then no verdict is cached.
            if (subjects is null) return verdict;
            if (verdict.Unknown is null) shared.Verdicts.Add(key, basis, verdict, now, Clock.GetElapsedTime(began));
            if (shared.ReadsElsewhere) await CountAsync(verdict, CancellationToken.None);
            else if (tag is null && verdict.Outcome == Outcome.Allow)
                await NoteAsync(closure, verdict, subjects, CancellationToken.None);
            return verdict;
        }
    }

    // Whether the verdict of a pull by this tag can differ from that of one by digest. Under a tag of images, evidence is an artifact.
    private bool ReadsTag(TagName? tag, bool isEvidence) =>
        shared.ReadsTags || (isEvidence && tag is { } named && EvidenceTag.Parse(named) is null);

    /// <summary>The verdicts of a manifest that arrives, and is to be bound to these tags.</summary>
    /// <param name="stage">How it arrives: by push, fetch or promotion.</param>
    /// <param name="account">The account whose turn is used to unpack layers.</param>
    public async ValueTask<Arrival> OfArrivalAsync(
        StoredManifest manifest, Stage stage, ImmutableArray<TagName> tags,
        CancellationToken cancellationToken, string account = UnpackingTurns.Pulls)
    {
        if (Engine.AdmitsEverything) return new(shared.Admitted, shared.Admitted, [.. tags.Select(t => (t, shared.Admitted))], []);
        var closure = await ReadAsync(manifest, cancellationToken, whole: stage is Stage.Push or Stage.Promote);
        closure.Account = account;
        return await OfArrivalAsync(closure, stage, tags, cancellationToken);
    }

    /// <summary>The same, for a manifest that was read already.</summary>
    public async ValueTask<Arrival> OfArrivalAsync(
        Closure closure, Stage stage, ImmutableArray<TagName> tags, CancellationToken cancellationToken)
    {
        var ofDigest = await AskAsync(closure, Stage.Pull, null, cancellationToken);
        var refusal = tags.IsEmpty ? await AskAsync(closure, stage, null, cancellationToken) : shared.Admitted;
        var asked = new List<Verdict> { ofDigest, refusal };
        var isEvidence = ManifestKinds.Of(closure.Manifest.Manifest, closure.Documents, closure.Descendants) == ManifestKind.Evidence;
        var ofTags = ImmutableArray.CreateBuilder<(TagName, Verdict)>();
        foreach (var tag in tags)
        {
            var comes = await AskAsync(closure, stage, tag, cancellationToken);
            var bound = shared.AlsoBind.Contains(stage) ? comes : await AskAsync(closure, Stage.Tag, tag, cancellationToken);
            var pulled = ReadsTag(tag, isEvidence) ? await AskAsync(closure, Stage.Pull, tag, cancellationToken) : ofDigest;
            asked.AddRange([comes, bound, pulled]);
            refusal = Verdicts.Worse(refusal, Verdicts.Worse(comes, bound));
            ofTags.Add((tag, Verdicts.Worse(Verdicts.Worse(comes, bound), pulled)));
        }
        return new(refusal, ofDigest, ofTags.ToImmutable(), closure.Versions)
        {
            Bound = closure.Bound,
            Verified = [.. asked.SelectMany(v => v.Evidence).Where(e => e.Verified && e.Repository is null)
                .Select(e => (e.Subject, e.Digest))],
        };
    }

    /// <summary>
    /// The verdict of binding a tag to its held push. A verdict that does not admit is cached, so that repeated requests cost little.
    /// </summary>
    public async ValueTask<Arrival> OfHeldAsync(StoredManifest manifest, TagName tag, Stage stage, CancellationToken cancellationToken)
    {
        var (now, basis) = (Now, CurrentBasis());
        var key = new VerdictKey(name, manifest.Digest, tag, stage);
        if (shared.Verdicts.Find(key, basis, backing.Lost, now) is { Admits: false } known)
            return OfOne(known with { IsRemembered = true });
        Arrival? own = null;
        var verdict = await shared.Verdicts.SeekAsync(key, basis, SeekAsync, cancellationToken);
        if (!verdict.Admits) return OfOne(verdict);
        return own ?? await OfArrivalAsync(manifest, stage, [tag], cancellationToken);

        async Task<Verdict> SeekAsync()
        {
            var began = Clock.GetTimestamp();
            own = await OfArrivalAsync(manifest, stage, [tag], CancellationToken.None);
            var found = own.Tags[0].Verdict;
            if (!found.Admits && found.Unknown is null) shared.Verdicts.Add(key, basis, found, now, Clock.GetElapsedTime(began));
            return found;
        }

        Arrival OfOne(Verdict one) => new(one, one, [(tag, one)], []);
    }

    /// <summary>Reads a manifest and everything that its verdict may rest on.</summary>
    /// <param name="brought">Evidence that is not stored yet, but counts.</param>
    /// <param name="whole">
    /// Whether manifests below an index that only the upstream has are read too: for pushes and promotions. Below an upstream's own index,
    /// each manifest is evaluated when it is fetched.
    /// </param>
    public ValueTask<Closure> ReadAsync(
        StoredManifest manifest, CancellationToken cancellationToken, Brought? brought = null, bool whole = false) =>
        Closure.ReadAsync(shared, backing, backing, manifest, brought, whole, cancellationToken);

    /// <summary>The same for a manifest of another repository that is to be promoted to this one.</summary>
    public ValueTask<Closure> ReadFromAsync(IBacking source, StoredManifest manifest, CancellationToken cancellationToken) =>
        Closure.ReadAsync(shared, source, backing, manifest, brought: null, whole: true, cancellationToken);

    /// <summary>Evaluates one stage, and counts the verdict.</summary>
    public async ValueTask<Verdict> AskAsync(Closure closure, Stage stage, TagName? tag, CancellationToken cancellationToken)
    {
        var asked = Stopwatch.GetTimestamp();
        var input = await InputAsync(closure, stage, tag, cancellationToken);
        var begun = Stopwatch.GetTimestamp();
        var verdict = Released(closure, Engine.Evaluate(input));
        PolicyMetrics.Evaluated(verdict, begun);
        return verdict with { Took = Stopwatch.GetElapsedTime(asked) };
    }

    /// <summary>The same in a dry run: the verdict serves no request, so it is not counted.</summary>
    public async ValueTask<Verdict> TryAsync(Closure closure, Stage stage, TagName? tag, CancellationToken cancellationToken) =>
        Released(closure, Engine.Evaluate(await InputAsync(closure, stage, tag, cancellationToken)));

    // An operator's release counts as an exception of every rule that holds the manifest. It does not lift a rule that refuses it.
    private static Verdict Released(Closure closure, Verdict verdict) =>
        verdict.Outcome == Outcome.Quarantine && closure.Release is { } release
            ? verdict with
            {
                Outcome = Outcome.Allow, Reasons = [],
                ExceptionsUsed = verdict.ExceptionsUsed.Add($"released by {Printable.Line(release.Actor, 80)}"),
            }
            : verdict;

    private async ValueTask<PolicyInput> InputAsync(Closure closure, Stage stage, TagName? tag, CancellationToken cancellationToken)
    {
        var manifest = closure.Manifest;
        var input = new PolicyInput(name, tag, stage, manifest.Digest, manifest.Manifest, closure.Descendants)
        {
            Now = closure.Now,
            Shared = closure.Shared,
            Canonical = closure.Canonical,
            EvidenceFrom = closure.EvidenceFrom,
            Documents = closure.Documents,
            DocumentsUnread = closure.DocumentsUnread,
        };
        return Engine.Needs(input) is var needs and not FactKinds.None
            ? input with { Facts = await closure.FactsAsync(needs, tag, cancellationToken) }
            : input;
    }

    /// <summary>Records a verdict that refuses or warns.</summary>
    /// <param name="lead">What happened: the start of the message, before the reason. Null for none.</param>
    public Decision Decide(Verdict verdict, Stage stage, string reference, Digest digest, Caller caller, string? lead = null)
    {
        var decision = new Decision(Decisions.NewId(), Now, stage, name, reference, digest, caller.Actor, verdict)
        {
            Message = Line(verdict, lead), TrustRevision = Engine.TrustRevision,
        };
        shared.Decisions.Remember(decision);
        return decision;
    }

    /// <summary>
    /// When a held push expires. For a manifest that is too young, the time starts when it is old enough.
    /// </summary>
    public DateTimeOffset ExpiryOf(Verdict verdict)
    {
        var isTooYoung = verdict.Reasons.Any(static reason => reason.Code == ReasonCodes.LimitMinAge);
        return (isTooYoung && verdict.Until is { } ripe ? ripe : Now) + Quarantine.PendingTtl;
    }

    /// <summary>What a client is told about a held push. It comes first in the message, because clients cut the end.</summary>
    public string Quarantined(IEnumerable<TagName> tags, Verdict verdict)
    {
        var expires = ExpiryOf(verdict).UtcDateTime;
        return string.Create(
            CultureInfo.InvariantCulture, $"quarantined: tag {string.Join(", ", tags)} not moved, expires {expires:yyyy-MM-ddTHH:mmZ}");
    }

    private bool IsAdmitted(VerdictStamp noted, DateTimeOffset now) =>
        noted.Revision == Engine.Revision && noted.Outcome == (byte)Outcome.Allow
        && (noted.Until == 0 || now.ToUnixTimeSeconds() < noted.Until);

    /// <summary>Notes the verdict of a pull. When that fails, the next pull evaluates again.</summary>
    private async ValueTask NoteAsync(
        Closure closure, Verdict verdict, List<(Digest Subject, long Version)> subjects,
        CancellationToken cancellationToken)
    {
        var digest = closure.Manifest.Digest;
        var counted = verdict.Evidence.Where(e => e.Verified)
            .Select(e => new Operation.AddEvidence(e.Subject, e.Digest) { Counted = true });
        await backing.NoteAsync(
            new([new Operation.SetVerdict(digest, Stamp(verdict)), .. counted])
            {
                Needs = [(LinkKind.Manifest, digest)],
                Subjects = [.. closure.Versions.UnionBy(subjects, v => v.Subject)],
                Published = [digest],
            },
            cancellationToken);
    }

    /// <summary>The verdict of the gate itself, not of a rule, that refuses a request.</summary>
    public Verdict Deny(string code, string why) =>
        new(Outcome.Deny, Engine.Revision, [new("gate", code, Printable.Line(why, PolicyEngine.MaxMessage), Outcome.Deny)]);

    /// <summary>
    /// The answer when something that a verdict depends on could not be read: the gateway does not know whether the policy refuses the
    /// manifest. No decision is recorded, and the next request evaluates it again.
    /// </summary>
    public Answer<T>.Unavailable NotKnown<T>(Verdict verdict, Digest digest, CacheHandling? handling = null)
    {
        var why = $"{name}@{digest} could not be evaluated at {Moments.Text(Now)}: {verdict.Unknown}; try again";
        return new(RetryUnknown, Printable.Line(why, PolicyEngine.MaxMessage), handling ?? CacheHandling.Local);
    }

    private static string Line(Verdict verdict, string? lead)
    {
        var why = verdict.Reasons.IsEmpty ? $"refused by policy ({verdict.Outcome})" : verdict.Reasons[0].Message;
        var line = lead is null ? why : $"{lead}; {why}";
        return line.Length <= Printable.MaxMessage ? line : line[..Printable.MaxMessage];
    }
}
