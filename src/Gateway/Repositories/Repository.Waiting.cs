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
    private async ValueTask<Answer<StoredManifest>> GetWaitingAsync(
        Asker asker, TagState state, TagOffer offer, Provenance provenance, CancellationToken cancellationToken)
    {
        var bound = state with { Offer = null };
        if (offer.Expires <= clock.GetUtcNow())
        {
            await TryCommitAsync(Expire(offer, state.Live), cancellationToken);
            return await GetBoundAsync(asker, offer.Tag, bound, provenance, cancellationToken);
        }
        var (isPublished, verdict, failure) = await PublishAsync(asker, offer, state.Live, cancellationToken);
        // Another may have published it first.
        if (isPublished || (verdict is { Admits: true } && backing.LiveOf(offer.Tag) == offer.Digest))
            return await GetLiveAsync(asker, offer.Digest, offer.Tag, cancellationToken);
        if (IsKnownPusher(asker))
            return Standing(await GetByDigestAsync(asker, offer.Digest, offer.Tag, cancellationToken), TagStanding.Pending);
        if (!bound.IsUnbound) return await GetBoundAsync(asker, offer.Tag, bound, provenance, cancellationToken);
        if (failure is not null) return NotForwarded<StoredManifest>(failure) with { SparesPushers = takesPushes };
        if (verdict is null) return new Answer<StoredManifest>.Absent(Provenance.Local);
        if (verdict.Unknown is not null)
            return NotKnown<StoredManifest>(verdict, offer.Digest, provenance) with { SparesPushers = takesPushes };
        if (verdict.Admits)
            return new Answer<StoredManifest>.Unavailable(
                TimeSpan.FromSeconds(1), $"{Name}:{offer.Tag} is being changed; ask again", Provenance.Local);
        var lead = $"pending since {offer.At.UtcDateTime:yyyy-MM-ddTHH:mmZ}, seen by who may push here";
        var decision = judge.Decide(verdict, Stage.Pull, Name, offer.Tag.Value, offer.Digest, asker, lead);
        return new Answer<StoredManifest>.Hidden(decision, Provenance.Hit) { SparesPushers = takesPushes };
    }

    private async ValueTask<Answer<StoredManifest>> GetLiveAsync(
        Asker asker, Digest digest, TagName tag, CancellationToken cancellationToken) =>
        Standing(await GetByDigestAsync(asker, digest, tag, cancellationToken), TagStanding.Live);

    /// <summary>
    /// Binds a tag to what it waited for, if that passes by now; the verdict where it does not, null when it is not here, and why an
    /// upstream that must have it first has not.
    /// </summary>
    private async ValueTask<(bool IsPublished, Verdict? Verdict, NotForwardedException? Failure)> PublishAsync(
        Asker asker, TagOffer offer, Digest live, CancellationToken cancellationToken)
    {
        if (await backing.ReadManifestAsync(offer.Digest, cancellationToken) is not Result<StoredManifest>.Found { Value: var manifest })
            return (false, null, null);
        var arrival = await judge.OfWaitingAsync(backing, Name, manifest, offer.Tag, Stage.Push, cancellationToken);
        var verdict = arrival.Tags[0].Verdict;
        if (!verdict.Admits) return (false, verdict, null);
        var change = new Change([.. Publishing(manifest, arrival.OfDigest), .. Publishing(offer), .. arrival.Counted])
        {
            Expectations = [new(offer.Tag, live) { Offer = offer.Sequence }],
            Subjects = arrival.Versions,
            Needs = [(LinkKind.Manifest, offer.Digest)],
            Published = [offer.Digest],
        };
        try
        {
            return (await TryCommitAsync(By(asker, change), cancellationToken), verdict, null);
        }
        catch (NotForwardedException e)
        {
            return (false, verdict, e);
        }
    }

    /// <summary>What admitting a stored manifest changes.</summary>
    private IEnumerable<Operation> Publishing(StoredManifest manifest, Verdict ofDigest) =>
        Judge.MayBeAboutOthers(manifest.Manifest)
            ? Keeping.Links(manifest, ofDigest.Admits)
            : Keeping.Links(manifest, ofDigest.Admits).Prepend(new Operation.SetVerdict(manifest.Digest, judge.Stamp(ofDigest)));

    private static Operation[] Publishing(TagOffer offer) =>
        [new Operation.SetLive(offer.Tag, offer.Digest), new Operation.Withdraw(offer.Tag)];

    private static Change Expire(TagOffer offer, Digest live) =>
        new([new Operation.Withdraw(offer.Tag)]) { Expectations = [new(offer.Tag, live) { Offer = offer.Sequence }] };

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
