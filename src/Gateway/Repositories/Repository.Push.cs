using System.Collections.Immutable;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>A manifest that a client pushes.</summary>
/// <param name="Reference">The tag or digest in the path.</param>
/// <param name="Tags">The tags of <c>?tag=</c> (distribution-spec main, end-7b): all of them are bound, or none is.</param>
/// <param name="ContentType">The <c>Content-Type</c> without parameters; null when it was not sent.</param>
internal sealed record ManifestPush(Reference Reference, ImmutableArray<TagName> Tags, string? ContentType, ReadOnlyMemory<byte> Bytes)
{
    /// <summary>What every tag must be bound to until the push is committed (empty: not bound); null when that does not matter.</summary>
    public Digest? From { get; init; }
}

/// <summary>The result of a push.</summary>
/// <param name="Digest">The manifest's digest.</param>
/// <param name="Subject">For <c>OCI-Subject</c>; empty when the manifest has no subject.</param>
/// <param name="Tags">The tags of <c>?tag=</c>, for <c>OCI-Tag</c>.</param>
internal sealed record PushedManifest(Digest Digest, Digest Subject, ImmutableArray<TagName> Tags)
{
    /// <summary>The tags of held pushes that this push has made live, because it is evidence about them.</summary>
    public ImmutableArray<TagName> Promoted { get; init; } = [];

    /// <summary>Whether the push is forwarded to the upstream after the response.</summary>
    public bool IsForwarding { get; init; }
}

/// <summary>
/// Pushes of manifests: a manifest is read, evaluated, and committed as one change; or held; or refused, and nothing is stored.
/// </summary>
internal sealed partial class Repository
{
    /// <summary>Stores a pushed manifest and binds its tags, as far as the policy admits it.</summary>
    public async ValueTask<Answer<PushedManifest>> PutManifestAsync(Caller caller, ManifestPush push, CancellationToken cancellationToken)
    {
        if (RefuseChange<PushedManifest>(caller, AccessActions.Push) is { } refusal) return refusal;
        var (manifest, problem) = PushCheck.Read(push, evaluator.Engine.Limits);
        if (manifest is null) return problem!;
        var tags = push.Reference.IsDigest ? push.Tags : push.Tags.Insert(0, push.Reference.Tag);
        var (needs, missing) = await PushCheck.FindContentAsync(backing, Name, manifest.Manifest, cancellationToken);
        if (missing is not null) return missing;
        if (evaluator.ReadsHistory) await LearnAsync(caller, tags, cancellationToken);
        return await Changes.WriteAsync<PushedManifest>(async () =>
        {
            for (var attempt = 0; attempt < Changes.MaxAttempts; attempt++)
            {
                if (await TryPutAsync(caller, push, manifest, needs, tags, cancellationToken) is { } answer) return answer;
            }
            return new Answer<PushedManifest>.Unavailable(
                Changes.RetryBusy, $"other requests keep changing the evidence about {manifest.Digest} in {Name}; push it again",
                CacheHandling.Local);
        });
    }

    /// <summary>Fetches what an upstream has under these tags: a rule about what a tag was bound to must know it.</summary>
    private async ValueTask LearnAsync(Caller caller, ImmutableArray<TagName> tags, CancellationToken cancellationToken)
    {
        foreach (var tag in tags)
        {
            if (await backing.ResolveAsync(tag, cancellationToken)
                is Result<TagState>.Found { Value: { UpstreamDigest.IsEmpty: false } state, Handling: var handling })
                await AdmitUpstreamTagAsync(caller, tag, state, handling, cancellationToken);
        }
    }

    /// <summary>Null when what the verdict rests on changed before the commit.</summary>
    private async ValueTask<Answer<PushedManifest>?> TryPutAsync(
        Caller caller, ManifestPush push, StoredManifest manifest, ImmutableArray<(LinkKind Kind, Digest Digest)> needs,
        ImmutableArray<TagName> tags, CancellationToken cancellationToken)
    {
        if (push.From is { } from && tags.FirstOrDefault(tag => backing.LiveOf(tag) != from) is { Value: not null } moved)
            return new Answer<PushedManifest>.Invalid(
                RegistryErrorCode.DENIED, $"{Name}:{moved} is bound to another manifest by now; look again");
        var arrival = await ArrivalAsync();
        if (arrival.IsRefused)
        {
            // Another gateway may have received the evidence just now.
            var caughtUp = await evaluator.CatchUpAsync(cancellationToken);
            if (caughtUp.IsRead) arrival = await ArrivalAsync();
            if (caughtUp.Unknown is { } why) arrival = arrival with { Refusal = arrival.Refusal with { Unknown = why } };
        }
        if (arrival.IsRefused && arrival.Refusal.Unknown is not null)
            return evaluator.NotKnown<PushedManifest>(arrival.Refusal, manifest.Digest);
        var (room, full) = await new PushQuota(backing, evaluator).FindRoomAsync(arrival, manifest, tags, cancellationToken);
        var refused = RefusalOf(arrival, manifest, tags);
        var review = refused is not null ? Review.None
            : await new EvidenceReview(backing, evaluator).ReviewAsync(manifest, tags, cancellationToken);
        // The pushers of other evidence cannot keep a held push from being signed. A push that is held itself exceeds no limit.
        var isExempt = full is not null && PushQuota.IsAboutReferrers(full) && !review.Released.IsEmpty
            && arrival.Tags.All(static t => t.Verdict.Admits);
        if (!isExempt) refused ??= full;
        if (refused is not null)
            return new Answer<PushedManifest>.Refused(
                evaluator.Decide(refused, Stage.Push, push.Reference.ToString(), manifest.Digest, caller), CacheHandling.Local);
        // Evidence that was pushed before its subject is hidden with the subject from now on.
        Digest[] hidden = arrival.OfDigest.Admits ? [] : [manifest.Digest, Closure.CanonicalOf(manifest)];
        var shownBefore = await new Dependents(backing, evaluator).ShownEvidenceAsync(hidden, cancellationToken);
        var isUnstamped = evaluator.Engine.AdmitsEverything || Evaluator.MayBeAboutOthers(manifest.Manifest);
        var stamp = isUnstamped ? default : evaluator.Stamp(arrival.OfDigest);
        var change = new Change(
            [.. StoreOperations.Of(manifest, stamp, arrival.OfDigest.Admits, evaluator.Now), .. Bind(arrival, manifest, caller),
            .. arrival.Counted, .. review.Operations,
            .. Changes.ForgetVerdicts(shownBefore)])
        {
            Room = room,
            Needs = needs,
            Subjects = [.. arrival.Versions.UnionBy(review.Versions, v => v.Subject)],
            Expectations =
            [
                .. arrival.Bound, .. review.Expectations,
                .. push.From is { } still ? tags.Select(tag => new Expectation(tag, still)) : [],
            ],
            Published = arrival.IsPublished ? [.. review.Published, manifest.Digest] : review.Published,
        };
        return await backing.CommitAsync(change.By(caller), cancellationToken) switch
        {
            CommitResult.Superseded => new Answer<PushedManifest>.Superseded(),
            CommitResult.Missing missing => PushCheck.DeletedMeanwhile(Name, missing.Digest),
            CommitResult.Committed done => Pushed(caller, push, manifest, arrival, review, done.IsForwarding),
            _ => null,
        };

        ValueTask<Arrival> ArrivalAsync() =>
            evaluator.OfArrivalAsync(manifest, Stage.Push, tags, cancellationToken, caller.Actor);
    }

    private Answer<PushedManifest>.Found Pushed(
        Caller caller, ManifestPush push, StoredManifest manifest, Arrival arrival, Review review, bool isForwarding)
    {
        var held = arrival.Tags.Where(t => !t.Verdict.Admits).ToArray();
        var worst = arrival.Worst;
        var warning = held.Length > 0
            ? evaluator.Decide(
                held[0].Verdict, Stage.Push, push.Reference.ToString(), manifest.Digest, caller,
                evaluator.Quarantined(held.Select(t => t.Tag), held[0].Verdict))
            : worst.Outcome != Outcome.Allow
                ? evaluator.Decide(
                    worst, Stage.Push, push.Reference.ToString(), manifest.Digest, caller,
                    worst.Admits ? null : "stored, and hidden from pullers")
                : review.Unsatisfied is { } other
                    ? evaluator.Decide(
                        other.Verdict, Stage.Push, other.Subject.ToString(), other.Subject, caller, "stored, but not enough")
                    : null;
        var pushed = new PushedManifest(manifest.Digest, manifest.Manifest.Subject?.Digest ?? default, push.Tags)
        {
            Promoted = review.Released,
            IsForwarding = isForwarding,
        };
        return new(pushed, review.Late is { } late ? CacheHandling.Local with { Notice = late } : CacheHandling.Local)
        {
            Warning = warning,
            Standing = evaluator.Engine.AdmitsEverything || arrival.Tags.IsEmpty ? null
                : held.Length > 0 ? TagStanding.Pending : TagStanding.Live,
        };
    }

    /// <summary>Each tag is bound, or its push is held and its earlier binding stays live.</summary>
    private IEnumerable<Operation> Bind(Arrival arrival, StoredManifest manifest, Caller caller)
    {
        var held = backing.HeldPushes().Select(h => h.Tag).ToHashSet();
        foreach (var (tag, verdict) in arrival.Tags)
        {
            if (verdict.Admits)
            {
                yield return new Operation.SetLive(tag, manifest.Digest);
                if (held.Contains(tag)) yield return new Operation.EndHold(tag);
            }
            else
            {
                var missing = verdict.Reasons.IsEmpty ? "" : verdict.Reasons[0].Message;
                yield return new Operation.Hold(tag, manifest.Digest, caller.Actor, evaluator.ExpiryOf(verdict), missing);
            }
        }
        // A tag of evidence names a subject: what it was bound to stays evidence about it when the tag moves on.
        foreach (var subject in EvidenceReview.TaggedSubjects(manifest, arrival.Tags.Select(t => t.Tag)))
            yield return new Operation.AddEvidence(subject, manifest.Digest);
    }

    private Verdict? RefusalOf(Arrival arrival, StoredManifest manifest, ImmutableArray<TagName> tags)
    {
        if (arrival.IsRefused) return arrival.Refusal;
        if (evaluator.Engine.AdmitsEverything) return null;
        // Evidence may be pushed under tags of evidence, so that what was promoted can be signed.
        var isEvidence = ManifestKinds.HasFormOfEvidence(manifest.Manifest);
        var others = isEvidence ? tags.Where(static t => EvidenceTag.Parse(t) is null) : tags;
        return others.FirstOrDefault(t => evaluator.IsProtected(t)) is { Value: not null } promoted
            ? evaluator.Deny(
                "TAG_PROTECTED",
                $"{Name}:{promoted} accepts only promotions; fix: push to another repository, sign, then "
                + $"gateway promote <repository>@{manifest.Digest} {Name}:{promoted}")
            : null;
    }
}
