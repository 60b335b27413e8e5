using System.Collections.Immutable;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>What a push of a manifest brings.</summary>
/// <param name="Reference">What it is pushed by.</param>
/// <param name="Tags">Tags of <c>?tag=</c> (distribution-spec main, end-7b); all are bound or none.</param>
/// <param name="ContentType">The header without parameters; null when it was not sent.</param>
internal sealed record ManifestPush(Reference Reference, ImmutableArray<TagName> Tags, string? ContentType, ReadOnlyMemory<byte> Bytes);

/// <summary>What became of a push.</summary>
/// <param name="Subject">For <c>OCI-Subject</c>; empty when the manifest names none.</param>
/// <param name="Tags">Tags bound by <c>?tag=</c>, for <c>OCI-Tag</c>.</param>
internal sealed record PushedManifest(Digest Digest, Digest Subject, ImmutableArray<TagName> Tags)
{
    /// <summary>Tags that this push, being evidence, has made live.</summary>
    public ImmutableArray<TagName> Promoted { get; init; } = [];

    /// <summary>Whether the upstream is still to get it.</summary>
    public bool IsForwarding { get; init; }
}

/// <summary>Pushing a manifest: read, judged, and committed as one change, or waiting, or refused with nothing kept.</summary>
internal sealed partial class Repository
{
    /// <summary>
    /// How often a push is judged again because evidence or offers have changed meanwhile. Chosen: each time another push has come through.
    /// </summary>
    private const int MaxAttempts = 16;

    public async ValueTask<Answer<PushedManifest>> PutManifestAsync(Caller caller, ManifestPush push, CancellationToken cancellationToken)
    {
        if (RefuseChange<PushedManifest>(caller, AccessActions.Push) is { } refusal) return refusal;
        var (manifest, problem) = PushCheck.Read(push, judge.Engine.Limits);
        if (manifest is null) return problem!;
        var tags = push.Reference.IsDigest ? push.Tags : push.Tags.Insert(0, push.Reference.Tag);
        var missing = await PushCheck.FindContentAsync(backing, Name, manifest.Manifest, mayBeAbsent: true, cancellationToken);
        if (missing is not null) return missing;
        if (judge.ReadsHistory) await LearnAsync(caller, tags, cancellationToken);
        return await WriteAsync<PushedManifest>(async () =>
        {
            for (var attempt = 0; attempt < MaxAttempts; attempt++)
            {
                if (await TryPutAsync(caller, push, manifest, tags, cancellationToken) is { } answer) return answer;
            }
            return new Answer<PushedManifest>.Unavailable(
                TimeSpan.FromSeconds(1), $"others keep changing the evidence about {manifest.Digest} in {Name}; push it again",
                CacheHandling.Local);
        });
    }

    /// <summary>Brings here what an upstream has under these tags: a rule about where a tag stood must know.</summary>
    private async ValueTask LearnAsync(Caller caller, ImmutableArray<TagName> tags, CancellationToken cancellationToken)
    {
        foreach (var tag in tags)
        {
            if (await backing.ResolveAsync(tag, cancellationToken)
                is Result<TagState>.Found { Value: { UpstreamDigest.IsEmpty: false } state, Handling: var handling })
                await AdmitUpstreamTagAsync(caller, tag, state, handling, cancellationToken);
        }
    }

    /// <summary>Null when what the verdict rests on has changed before the commit.</summary>
    private async ValueTask<Answer<PushedManifest>?> TryPutAsync(
        Caller caller, ManifestPush push, StoredManifest manifest, ImmutableArray<TagName> tags, CancellationToken cancellationToken)
    {
        var arrival = await judge.OfArrivalAsync(backing, Name, manifest, Stage.Push, tags, cancellationToken, caller.Actor);
        if (arrival.IsRefused && arrival.Refusal.Unknown is not null)
            return NotKnown<PushedManifest>(arrival.Refusal, manifest.Digest, CacheHandling.Local);
        var (room, full) = await FindRoomAsync(arrival, manifest, tags, cancellationToken);
        if ((RefusalOf(arrival, manifest, tags) ?? full) is { } refused)
            return new Answer<PushedManifest>.Refused(
                judge.Decide(refused, Stage.Push, Name, push.Reference.ToString(), manifest.Digest, caller), CacheHandling.Local);
        var review = await ReviewAsync(manifest, tags, cancellationToken);
        // What came before it, and is about it, waits with it from now on.
        Digest[] names = arrival.OfDigest.Admits ? [] : [manifest.Digest, Closure.CanonicalOf(manifest)];
        var shownBefore = await SaidOfAsync(names, cancellationToken);
        var isUnstamped = judge.Engine.AdmitsEverything || Judge.MayBeAboutOthers(manifest.Manifest);
        var stamp = isUnstamped ? default : judge.Stamp(arrival.OfDigest);
        var change = new Change(
            [.. StoreOperations.Of(manifest, stamp, arrival.OfDigest.Admits, clock.GetUtcNow()), .. Bind(arrival, manifest, caller),
            .. arrival.Counted, .. review.Operations,
            .. Unknown(shownBefore)])
        {
            Room = room,
            Needs = PushCheck.Needs(manifest.Manifest),
            Subjects = [.. arrival.Versions.UnionBy(review.Versions, v => v.Subject)],
            Expectations = [.. arrival.Bound, .. review.Expectations],
            Published = arrival.IsPublished ? [.. review.Published, manifest.Digest] : review.Published,
        };
        return await backing.CommitAsync(By(caller, change), cancellationToken) switch
        {
            CommitResult.Superseded => new Answer<PushedManifest>.Superseded(),
            CommitResult.Missing lacking => PushCheck.DeletedMeanwhile(Name, lacking.Digest),
            CommitResult.Committed done => Pushed(caller, push, manifest, arrival, review, done.IsForwarding),
            _ => null,
        };
    }

    private Answer<PushedManifest>.Found Pushed(
        Caller caller, ManifestPush push, StoredManifest manifest, Arrival arrival, Review review, bool isForwarding)
    {
        var waiting = arrival.Tags.Where(t => !t.Verdict.Admits).ToArray();
        var worst = arrival.Worst;
        var warning = waiting.Length > 0
            ? judge.Decide(
                waiting[0].Verdict, Stage.Push, Name, push.Reference.ToString(), manifest.Digest, caller,
                judge.Waiting(waiting.Select(t => t.Tag), waiting[0].Verdict))
            : worst.Outcome != Outcome.Allow
                ? judge.Decide(
                    worst, Stage.Push, Name, push.Reference.ToString(), manifest.Digest, caller,
                    worst.Admits ? null : "kept, and hidden from pullers")
                : review.Unsatisfied is { } other
                    ? judge.Decide(
                        other.Verdict, Stage.Push, Name, other.Subject.ToString(), other.Subject, caller, "stored, and not enough")
                    : null;
        var pushed = new PushedManifest(manifest.Digest, manifest.Manifest.Subject?.Digest ?? default, push.Tags)
        {
            Promoted = review.Promoted,
            IsForwarding = isForwarding,
        };
        return new(pushed, review.Late is { } late ? CacheHandling.Local with { Notice = late } : CacheHandling.Local)
        {
            Warning = warning,
            Standing = judge.Engine.AdmitsEverything || arrival.Tags.IsEmpty ? null
                : waiting.Length > 0 ? TagStanding.Pending : TagStanding.Live,
        };
    }

    /// <summary>Each tag is bound, or waits with its earlier binding still live.</summary>
    private IEnumerable<Operation> Bind(Arrival arrival, StoredManifest manifest, Caller caller)
    {
        var waiting = backing.HeldPushes().Select(o => o.Tag).ToHashSet();
        foreach (var (tag, verdict) in arrival.Tags)
        {
            if (verdict.Admits)
            {
                yield return new Operation.SetLive(tag, manifest.Digest);
                if (waiting.Contains(tag)) yield return new Operation.EndHold(tag);
            }
            else
            {
                var missing = verdict.Reasons.IsEmpty ? "" : verdict.Reasons[0].Message;
                yield return new Operation.Hold(tag, manifest.Digest, caller.Actor, judge.ExpiryOf(verdict), missing);
            }
        }
        // A tag under which evidence is found means a subject: what it was bound to stays evidence when it moves on.
        foreach (var subject in TaggedSubjects(manifest, arrival.Tags.Select(t => t.Tag)))
            yield return new Operation.AddEvidence(subject, manifest.Digest);
    }

    private Verdict? RefusalOf(Arrival arrival, StoredManifest manifest, ImmutableArray<TagName> tags)
    {
        if (arrival.IsRefused) return arrival.Refusal;
        if (judge.Engine.AdmitsEverything) return null;
        // Only the tags of evidence are evidence's own: what is promoted can be signed.
        var isEvidence = ManifestKinds.HasFormOfEvidence(manifest.Manifest);
        var others = isEvidence ? tags.Where(static t => EvidenceTag.Parse(t) is null) : tags;
        return others.FirstOrDefault(t => judge.IsProtected(Name, t)) is { Value: not null } promoted
            ? Denied(
                "TAG_PROTECTED",
                $"{Name}:{promoted} takes nothing but promotions; fix: push to another repository, sign, then "
                + $"gateway promote <repository>@{manifest.Digest} {Name}:{promoted}")
            : null;
    }

    private Verdict Denied(string code, string why) =>
        new(Outcome.Deny, judge.Engine.Revision, [new("gate", code, Printable.Line(why, PolicyEngine.MaxMessage), Outcome.Deny)]);
}
