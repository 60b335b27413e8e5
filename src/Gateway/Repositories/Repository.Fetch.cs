using System.Collections.Immutable;
using Gateway.Access;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>What an upstream offers: judged before its tag moves, and where it does not pass, the last that did.</summary>
internal sealed partial class Repository
{
    /// <summary>
    /// The upstream says that the tag should be another manifest than the one we have: that one is judged before the tag moves.
    /// </summary>
    private async ValueTask<Answer<StoredManifest>> AdmitUpstreamTagAsync(
        Caller caller, TagName tag, TagState state, CacheHandling handling, CancellationToken cancellationToken)
    {
        var offered = await backing.ReadManifestAsync(state.UpstreamDigest, cancellationToken);
        if (offered is Result<StoredManifest>.Found found)
        {
            var answer = await AdmitFetchedAsync(caller, found.Value, tag, state.Live, found.Handling, cancellationToken);
            var refused = answer is Answer<StoredManifest>.Refused or Answer<StoredManifest>.Hidden;
            if (refused && !state.Live.IsEmpty)
                return Resolved(await GetLastGoodAsync(caller, tag, state.UpstreamDigest, answer, cancellationToken), Stale(handling));
            if (answer is Answer<StoredManifest>.Unavailable unknown && !state.Live.IsEmpty)
            {
                var why = $"{Name}:{tag} is not what the upstream has: {unknown.Why}".Replace('"', '\'');
                return Resolved(
                    await GetByDigestAsync(caller, state.Live, tag, cancellationToken), Stale(handling) with { Notice = why });
            }
            var waits = answer is Answer<StoredManifest>.Found { Warning.Verdict.Admits: false };
            return Standing(answer, waits ? TagStanding.Pending : TagStanding.Live);
        }
        if (!state.Live.IsEmpty)
        {
            var why = $"{Name}:{tag} is not what the upstream has: newer {state.UpstreamDigest} could not be fetched";
            return Resolved(await GetByDigestAsync(caller, state.Live, tag, cancellationToken), Stale(handling) with { Notice = why });
        }
        return offered is Result<StoredManifest>.Unavailable no
            ? new Answer<StoredManifest>.Unavailable(no.RetryAfter, no.Why, no.Handling)
            : new Answer<StoredManifest>.Absent(offered.Handling);
    }

    private static CacheHandling Stale(CacheHandling tag) => tag with { IsHit = true, Forward = ForwardReason.Stale };

    /// <summary>A manifest that has come from an upstream: kept, and its tag bound, only as far as the policy admits it.</summary>
    /// <param name="from">What the tag is bound to until now; null when it is not to be bound.</param>
    private async ValueTask<Answer<StoredManifest>> AdmitFetchedAsync(
        Caller caller, StoredManifest manifest, TagName? tag, Digest? from, CacheHandling handling, CancellationToken cancellationToken)
    {
        var arrival = tag is { } named
            ? await judge.OfHeldAsync(backing, Name, manifest, named, Stage.ProxyFetch, cancellationToken)
            : await judge.OfArrivalAsync(backing, Name, manifest, Stage.ProxyFetch, [], cancellationToken);
        var verdict = tag is null ? Worse(arrival.Refusal, arrival.OfDigest) : arrival.Tags[0].Verdict;
        var isSeenByPushers = verdict.Outcome == Outcome.Quarantine && IsKnownPusher(caller);
        if (!verdict.Admits && verdict.Unknown is not null && !isSeenByPushers)
            return NotKnown<StoredManifest>(verdict, manifest.Digest, handling) with { SparesPushers = takesPushes };
        var isStored = verdict.Outcome != Outcome.Deny;
        var isBound = verdict.Admits && from is not null;
        // What is refused is known from now on: it grows older, and is not kept.
        Operation[] operations = isStored
            ? [.. StoreOperations.Of(manifest, judge.Stamp(arrival.OfDigest), verdict.Admits, clock.GetUtcNow()),
                .. isBound ? [new Operation.SetLive(tag!.Value, manifest.Digest)] : Array.Empty<Operation>()]
            : [new Operation.Seen(manifest.Digest, clock.GetUtcNow())];
        var change = new Change([.. operations, .. arrival.Counted])
        {
            Expectations = isBound ? [new(tag!.Value, from!.Value)] : [],
            IsFetched = true,
        };
        var (stored, failure) = await TryStoreAsync(
            isBound ? By(caller, change) : change,
            isNew: isBound || (isStored ? !manifest.IsStored : await backing.FirstSeenAsync(manifest.Digest) is null), cancellationToken);
        // Under a policy blobs are served for the manifest that names them: one that cannot be noted would promise what is then refused.
        if (failure is not null && isStored && !judge.Engine.AdmitsEverything)
            return new Answer<StoredManifest>.Unavailable(null, failure, handling);
        handling = handling with { Stored = stored && isStored };
        if (verdict.Outcome == Outcome.Allow) return new Answer<StoredManifest>.Found(manifest, handling);
        var decision = judge.Decide(verdict, Stage.ProxyFetch, Name, tag?.Value ?? manifest.Digest.ToString(), manifest.Digest, caller);
        return verdict.Outcome switch
        {
            Outcome.Warn => new Answer<StoredManifest>.Found(manifest, handling) { Warning = decision },
            // Who may push here may see it to sign it, as what was pushed.
            Outcome.Quarantine when isSeenByPushers => new Answer<StoredManifest>.Found(manifest, handling) { Warning = decision },
            Outcome.Quarantine => new Answer<StoredManifest>.Hidden(decision, handling) { SparesPushers = takesPushes },
            _ => new Answer<StoredManifest>.Refused(decision, handling),
        };
    }

    private async ValueTask<(bool Stored, string? Failure)> TryStoreAsync(Change change, bool isNew, CancellationToken cancellationToken)
    {
        if (!isNew) return (false, null);
        try
        {
            var result = await backing.CommitAsync(change, cancellationToken);
            // When another request has moved the tag meanwhile, its newer binding stays, and this answer is still what the upstream said:
            // kept without the tag, for its blobs are served for it.
            // So it is where another configuration is in force: under that the tag is asked for again.
            var bound = change.Operations.OfType<Operation.SetLive>();
            if (result is CommitResult.Superseded || (result is CommitResult.TagMoved { Now: var now } && bound.Any(o => o.Digest != now)))
            {
                Operation[] untagged = [.. change.Operations.Where(o => o is not Operation.SetLive)];
                result = await backing.CommitAsync(new([.. untagged]) { IsFetched = true }, cancellationToken);
            }
            return (result is CommitResult.Committed, null);
        }
        catch (StoreReadOnlyException e)
        {
            return (false, e.Message);
        }
    }

    /// <summary>
    /// The newest manifest that an upstream's tag was bound to here and that passes now, in place of one that does not; where there is
    /// none, the refusal.
    /// </summary>
    private async ValueTask<Answer<StoredManifest>> GetLastGoodAsync(
        Caller caller, TagName tag, Digest refusedDigest, Answer<StoredManifest> refused, CancellationToken cancellationToken)
    {
        var decision = refused switch
        {
            Answer<StoredManifest>.Refused { Decision: var known } => known,
            Answer<StoredManifest>.Hidden { Decision: var known } => known,
            _ => throw new ArgumentException($"a refusal was expected, {refused.GetType().Name} came", nameof(refused)),
        };
        foreach (var digest in backing.HistoryOf(tag).Prepend(backing.LiveOf(tag)).Where(d => !d.IsEmpty && d != refusedDigest).Distinct())
        {
            if (await GetByDigestAsync(caller, digest, tag, cancellationToken) is not Answer<StoredManifest>.Found found) continue;
            var why = $"{Name}:{tag} is not what the upstream has: newer {refusedDigest} refused by policy, decision {decision.Id}";
            var handling = found.Handling with { Notice = why };
            return Standing(found with { Substituted = refusedDigest, Handling = handling }, TagStanding.Live);
        }
        return refused;
    }

    private static Verdict Worse(Verdict one, Verdict other) => other.Outcome > one.Outcome ? other : one;
}
