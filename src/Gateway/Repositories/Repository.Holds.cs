using Gateway.Access;
using Gateway.Configuration;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Pulls of tags that have a held push: which callers see it, and when it is released.</summary>
internal sealed partial class Repository
{
    /// <summary>
    /// A tag with a held push. The push is released now when it is admitted by now: by evidence that another request pushed, by its age, or
    /// by another policy. Otherwise pushers see the held push, and all other callers see what the tag is bound to.
    /// </summary>
    private async ValueTask<Answer<StoredManifest>> GetHeldAsync(
        Caller caller, TagState state, HeldPush held, CacheHandling handling, CancellationToken cancellationToken)
    {
        var bound = state with { Held = null };
        if (held.Expires <= evaluator.Now)
        {
            await backing.TryCommitAsync(Changes.Expire(held, state.Live), cancellationToken);
            return await GetBoundAsync(caller, held.Tag, bound, handling, cancellationToken);
        }
        var (isReleased, verdict, failure) = await ReleaseAsync(caller, held, state.Live, cancellationToken);
        // Another request may have released it first.
        if (isReleased || (verdict is { Admits: true } && backing.LiveOf(held.Tag) == held.Digest))
            return Standing(await GetByDigestAsync(caller, held.Digest, held.Tag, cancellationToken), TagStanding.Live);
        if (IsKnownPusher(caller))
            return Standing(await GetByDigestAsync(caller, held.Digest, held.Tag, cancellationToken), TagStanding.Pending);
        if (!bound.IsUnbound) return await GetBoundAsync(caller, held.Tag, bound, handling, cancellationToken);
        if (failure is not null) return failure with { SparesPushers = takesPushes };
        if (verdict is null) return new Answer<StoredManifest>.Absent(CacheHandling.Local);
        if (!verdict.Admits) verdict = verdict with { Unknown = verdict.Unknown ?? DoubtOf(handling) };
        if (verdict.Unknown is not null)
            return evaluator.NotKnown<StoredManifest>(verdict, held.Digest, handling) with { SparesPushers = takesPushes };
        if (verdict.Admits)
            return new Answer<StoredManifest>.Unavailable(
                Changes.RetryBusy, $"another request is changing {Name}:{held.Tag}; try again", CacheHandling.Local);
        var lead = $"pending since {held.PushedAt.UtcDateTime:yyyy-MM-ddTHH:mmZ}, visible to accounts that may push here";
        var decision = evaluator.Decide(verdict, Stage.Pull, held.Tag.Value, held.Digest, caller, lead);
        return new Answer<StoredManifest>.Hidden(decision, CacheHandling.Hit) { SparesPushers = takesPushes };
    }

    /// <summary>
    /// Releases a held push although the policy holds it, with the manifests below an index. Rules that refuse it still refuse it.
    /// </summary>
    /// <param name="digest">The manifest that the caller has looked at; null when that does not matter.</param>
    /// <param name="reason">Why, in one line; it is noted with the manifest.</param>
    public async ValueTask<Answer<HeldPush>> ReleaseHeldAsync(
        Caller caller, TagName tag, Digest? digest, string reason, CancellationToken cancellationToken)
    {
        if (RefuseChange<HeldPush>(caller, AccessActions.Admin) is { } refusal) return refusal;
        if (HeldAt(tag) is not { } held) return new Answer<HeldPush>.Absent(CacheHandling.Local);
        if (RefuseOther(held, digest) is { } other) return other;
        if (await backing.ReadLinkedAsync(held.Digest, cancellationToken) is not { } manifest)
            return new Answer<HeldPush>.Absent(CacheHandling.Local);
        if (!backing.IsBuiltIn)
            return new Answer<HeldPush>.Invalid(
                RegistryErrorCode.UNSUPPORTED,
                $"{Name} forwards its pushes to an upstream, and a held push of it can only be released by evidence; sign it",
                Cause: InvalidCause.NotSupportedHere);
        return await Changes.WriteAsync<HeldPush>(async () =>
        {
            var closure = await evaluator.ReadAsync(manifest, cancellationToken);
            var why = Printable.Line(reason, Printable.MaxMessage);
            var released = closure.Descendants.Select(static d => d.Digest).Prepend(held.Digest).Distinct()
                .Select(digest => new Operation.Release(digest, caller.Actor, why));
            var change = new Change([.. released]) { Needs = [(LinkKind.Manifest, held.Digest)] };
            if (await backing.CommitAsync(change.By(caller), cancellationToken) is not CommitResult.Committed)
                return new Answer<HeldPush>.Superseded();
            var (isReleased, verdict, _) = await ReleaseAsync(caller, held, backing.LiveOf(tag), cancellationToken);
            if (isReleased || backing.LiveOf(tag) == held.Digest) return new Answer<HeldPush>.Found(held, CacheHandling.Local);
            var still = verdict?.Reasons.FirstOrDefault()?.Message ?? "another request is changing the tag";
            return new Answer<HeldPush>.Invalid(RegistryErrorCode.DENIED, $"{Name}:{tag} was not released: {still}");
        });
    }

    /// <summary>Ends the hold of a held push without releasing it. Its manifest stays until a collection removes it.</summary>
    /// <param name="digest">The manifest that the caller has looked at; null when that does not matter.</param>
    public async ValueTask<Answer<HeldPush>> DropHeldAsync(
        Caller caller, TagName tag, Digest? digest, CancellationToken cancellationToken)
    {
        if (RefuseChange<HeldPush>(caller, AccessActions.Delete) is { } refusal) return refusal;
        if (HeldAt(tag) is not { } held) return new Answer<HeldPush>.Absent(CacheHandling.Local);
        if (RefuseOther(held, digest) is { } other) return other;
        return await Changes.WriteAsync<HeldPush>(async () =>
            await backing.CommitAsync(Changes.Expire(held, backing.LiveOf(tag)).By(caller), cancellationToken) is CommitResult.Committed
                ? new Answer<HeldPush>.Found(held, CacheHandling.Local)
                : new Answer<HeldPush>.Superseded());
    }

    // A pusher can replace a held push at any moment: nobody decides about a push that they did not see.
    private Answer<HeldPush>.Invalid? RefuseOther(HeldPush held, Digest? seen) => seen is not { } digest || digest == held.Digest
        ? null
        : new(
            RegistryErrorCode.DENIED,
            $"expected the held push of {Name}:{held.Tag} to be {digest}, got {held.Digest}, which replaced it; look at that one");

    private HeldPush? HeldAt(TagName tag) =>
        backing.HeldPushes().Where(held => held.Tag.Equals(tag) && held.Expires > evaluator.Now).MaxBy(static held => held.Sequence);

    /// <summary>
    /// Binds a tag to its held push when that is admitted by now. Otherwise the answer has the verdict (null when the manifest is not
    /// here), or why that is not known: the manifest cannot be read, or an upstream that must have the change first does not have it.
    /// </summary>
    private async ValueTask<(bool IsReleased, Verdict? Verdict, Answer<StoredManifest>? Failure)> ReleaseAsync(
        Caller caller, HeldPush held, Digest live, CancellationToken cancellationToken)
    {
        var read = await backing.ReadManifestAsync(held.Digest, cancellationToken);
        if (read is not Result<StoredManifest>.Found { Value: var manifest })
            return (false, null, read is Result<StoredManifest>.Unavailable ? read.ToAnswer() : null);
        var arrival = await evaluator.OfHeldAsync(manifest, held.Tag, Stage.Push, cancellationToken);
        var verdict = arrival.Tags[0].Verdict;
        if (!verdict.Admits) return (false, verdict, null);
        var change = new Change(
            [.. EvidenceReview.Admitting(evaluator, manifest, arrival.OfDigest), .. EvidenceReview.Releasing(held), .. arrival.Counted])
        {
            Expectations = [new(held.Tag, live) { HeldSequence = held.Sequence }],
            Subjects = arrival.Versions,
            Needs = [(LinkKind.Manifest, held.Digest)],
            Published = [held.Digest],
        };
        try
        {
            return (await backing.TryCommitAsync(change.By(caller), cancellationToken), verdict, null);
        }
        catch (NotForwardedException e)
        {
            return (false, verdict, Answers.NotForwarded<StoredManifest>(e));
        }
    }
}
