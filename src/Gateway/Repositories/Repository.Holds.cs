using Gateway.Access;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Tags that wait: who sees them, and how they become live.</summary>
internal sealed partial class Repository
{
    /// <summary>
    /// A tag that waits. If what it waits for has come, by another's evidence, by time or by a new policy, it is published now. Else those
    /// who may push see what waits, and everybody else what is live.
    /// </summary>
    private async ValueTask<Answer<StoredManifest>> GetHeldAsync(
        Caller caller, TagState state, HeldPush offer, CacheHandling handling, CancellationToken cancellationToken)
    {
        var bound = state with { Held = null };
        if (offer.Expires <= clock.GetUtcNow())
        {
            await TryCommitAsync(Expire(offer, state.Live), cancellationToken);
            return await GetBoundAsync(caller, offer.Tag, bound, handling, cancellationToken);
        }
        var (isPublished, verdict, failure) = await ReleaseAsync(caller, offer, state.Live, cancellationToken);
        // Another may have published it first.
        if (isPublished || (verdict is { Admits: true } && backing.LiveOf(offer.Tag) == offer.Digest))
            return await GetLiveAsync(caller, offer.Digest, offer.Tag, cancellationToken);
        if (IsKnownPusher(caller))
            return Standing(await GetByDigestAsync(caller, offer.Digest, offer.Tag, cancellationToken), TagStanding.Pending);
        if (!bound.IsUnbound) return await GetBoundAsync(caller, offer.Tag, bound, handling, cancellationToken);
        if (failure is not null) return NotForwarded<StoredManifest>(failure) with { SparesPushers = takesPushes };
        if (verdict is null) return new Answer<StoredManifest>.Absent(CacheHandling.Local);
        if (verdict.Unknown is not null)
            return NotKnown<StoredManifest>(verdict, offer.Digest, handling) with { SparesPushers = takesPushes };
        if (verdict.Admits)
            return new Answer<StoredManifest>.Unavailable(
                TimeSpan.FromSeconds(1), $"{Name}:{offer.Tag} is being changed; ask again", CacheHandling.Local);
        var lead = $"pending since {offer.PushedAt.UtcDateTime:yyyy-MM-ddTHH:mmZ}, seen by who may push here";
        var decision = judge.Decide(verdict, Stage.Pull, Name, offer.Tag.Value, offer.Digest, caller, lead);
        return new Answer<StoredManifest>.Hidden(decision, CacheHandling.Hit) { SparesPushers = takesPushes };
    }

    private async ValueTask<Answer<StoredManifest>> GetLiveAsync(
        Caller caller, Digest digest, TagName tag, CancellationToken cancellationToken) =>
        Standing(await GetByDigestAsync(caller, digest, tag, cancellationToken), TagStanding.Live);

    /// <summary>
    /// Binds a tag to what it waited for, if that passes by now; the verdict where it does not, null when it is not here, and why an
    /// upstream that must have it first has not.
    /// </summary>
    private async ValueTask<(bool IsPublished, Verdict? Verdict, NotForwardedException? Failure)> ReleaseAsync(
        Caller caller, HeldPush offer, Digest live, CancellationToken cancellationToken)
    {
        if (await backing.ReadManifestAsync(offer.Digest, cancellationToken) is not Result<StoredManifest>.Found { Value: var manifest })
            return (false, null, null);
        var arrival = await judge.OfHeldAsync(backing, Name, manifest, offer.Tag, Stage.Push, cancellationToken);
        var verdict = arrival.Tags[0].Verdict;
        if (!verdict.Admits) return (false, verdict, null);
        var change = new Change([.. Releasing(manifest, arrival.OfDigest), .. Releasing(offer), .. arrival.Counted])
        {
            Expectations = [new(offer.Tag, live) { HeldSequence = offer.Sequence }],
            Subjects = arrival.Versions,
            Needs = [(LinkKind.Manifest, offer.Digest)],
            Published = [offer.Digest],
        };
        try
        {
            return (await TryCommitAsync(By(caller, change), cancellationToken), verdict, null);
        }
        catch (NotForwardedException e)
        {
            return (false, verdict, e);
        }
    }

    /// <summary>What admitting a stored manifest changes.</summary>
    private IEnumerable<Operation> Releasing(StoredManifest manifest, Verdict ofDigest) =>
        Judge.MayBeAboutOthers(manifest.Manifest)
            ? StoreOperations.Links(manifest, ofDigest.Admits)
            : StoreOperations.Links(manifest, ofDigest.Admits).Prepend(new Operation.SetVerdict(manifest.Digest, judge.Stamp(ofDigest)));

    private static Operation[] Releasing(HeldPush offer) =>
        [new Operation.SetLive(offer.Tag, offer.Digest), new Operation.EndHold(offer.Tag)];

    private static Change Expire(HeldPush offer, Digest live) =>
        new([new Operation.EndHold(offer.Tag)]) { Expectations = [new(offer.Tag, live) { HeldSequence = offer.Sequence }] };

    /// <summary>A change that the next request makes as well, where this one cannot.</summary>
    private async ValueTask<bool> TryCommitAsync(Change change, CancellationToken cancellationToken)
    {
        try
        {
            return await backing.CommitAsync(change, cancellationToken) is CommitResult.Committed;
        }
        catch (StoreReadOnlyException)
        {
            return false;
        }
    }
}
