using Gateway.Access;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// Manifests that an upstream has and the gateway does not have yet: they are evaluated before a tag moves. When one is not admitted, the
/// last admitted manifest of the tag is served.
/// </summary>
internal sealed partial class Repository
{
    /// <summary>
    /// Handles a tag for which the upstream has another digest than the live one: the new digest is evaluated before the tag moves.
    /// </summary>
    private async ValueTask<Answer<StoredManifest>> AdmitUpstreamTagAsync(
        Caller caller, TagName tag, TagState state, CacheHandling handling, CancellationToken cancellationToken)
    {
        var read = await ReadRequestedAsync(caller, state.UpstreamDigest, cancellationToken);
        // The upstream does not have what it has just named. Asked again, it names what the tag is bound to now.
        if (read is Result<StoredManifest>.Absent
            && await backing.ResolveAsync(tag, cancellationToken) is Result<TagState>.Found { Value: var moved, Handling: var again }
            && moved.UpstreamDigest != state.UpstreamDigest)
        {
            if (moved.UpstreamDigest.IsEmpty) return await GetBoundAsync(caller, tag, moved, again, cancellationToken);
            (state, handling) = (moved, again);
            read = await ReadRequestedAsync(caller, state.UpstreamDigest, cancellationToken);
        }
        if (read is Result<StoredManifest>.Found found)
        {
            var answer = await AdmitFetchedAsync(caller, found.Value, tag, state.Live, found.Handling, cancellationToken);
            var isRefused = answer is Answer<StoredManifest>.Refused or Answer<StoredManifest>.Hidden;
            if (isRefused && !state.Live.IsEmpty)
                return Resolved(await GetLastGoodAsync(caller, tag, state.UpstreamDigest, answer, cancellationToken), Stale(handling));
            if (answer is Answer<StoredManifest>.Unavailable unknown && !state.Live.IsEmpty)
                return await GetStaleAsync(caller, tag, state.Live, handling, unknown.Why, cancellationToken);
            var isHeld = answer is Answer<StoredManifest>.Found { Warning.Verdict.Admits: false };
            return Standing(answer, isHeld ? TagStanding.Pending : TagStanding.Live);
        }
        return state.Live.IsEmpty
            ? read.ToAnswer()
            : await GetStaleAsync(
                caller, tag, state.Live, handling, $"newer {state.UpstreamDigest} could not be fetched", cancellationToken);
    }

    /// <summary>What the tag is bound to here, with a warning that the upstream has another digest for it.</summary>
    private async ValueTask<Answer<StoredManifest>> GetStaleAsync(
        Caller caller, TagName tag, Digest live, CacheHandling handling, string why, CancellationToken cancellationToken) =>
        Resolved(
            await GetByDigestAsync(caller, live, tag, cancellationToken),
            Stale(handling) with { Notice = $"{Name}:{tag} differs from the upstream: {why}" });

    private static CacheHandling Stale(CacheHandling tag) => tag with { IsHit = true, Forward = ForwardReason.Stale };

    /// <summary>
    /// Evaluates a manifest that an upstream sent. It is stored, and the tag is bound to it, only as far as the policy admits it.
    /// </summary>
    /// <param name="tag">The tag that the caller asked for; null for a digest.</param>
    /// <param name="from">What the tag is bound to until now; null when it is not to be bound.</param>
    /// <param name="handling">How the manifest was obtained.</param>
    private async ValueTask<Answer<StoredManifest>> AdmitFetchedAsync(
        Caller caller, StoredManifest manifest, TagName? tag, Digest? from, CacheHandling handling, CancellationToken cancellationToken)
    {
        var arrival = tag is { } named
            ? await evaluator.OfHeldAsync(manifest, named, Stage.ProxyFetch, cancellationToken)
            : await evaluator.OfArrivalAsync(manifest, Stage.ProxyFetch, [], cancellationToken);
        var verdict = VerdictOf(arrival);
        if (verdict is { Admits: false, Unknown: null } && tag is null)
        {
            var looked = await LookForIndexAsync(caller, manifest, cancellationToken);
            if (looked.Why is { } why && !IsKnownPusher(caller)) return why with { SparesPushers = takesPushes };
            if (looked.IsAdmitted)
            {
                arrival = await evaluator.OfArrivalAsync(manifest, Stage.ProxyFetch, [], cancellationToken);
                verdict = VerdictOf(arrival);
            }
        }
        var isSeenByPushers = verdict.Outcome == Outcome.Quarantine && IsKnownPusher(caller);
        if (!verdict.Admits && verdict.Unknown is not null && !isSeenByPushers)
            return evaluator.NotKnown<StoredManifest>(verdict, manifest.Digest, handling) with { SparesPushers = takesPushes };
        var isStored = verdict.Outcome != Outcome.Deny;
        var isBound = verdict.Admits && from is not null;
        // A refused manifest is not stored, but the gateway notes when it first saw it: its age counts from then.
        Operation[] operations = isStored
            ? [.. StoreOperations.Of(manifest, evaluator.Stamp(arrival.OfDigest), verdict.Admits, evaluator.Now),
                .. isBound ? [new Operation.SetLive(tag!.Value, manifest.Digest)] : Array.Empty<Operation>()]
            : [new Operation.Seen(manifest.Digest, evaluator.Now)];
        var change = new Change([.. operations, .. arrival.Counted])
        {
            Expectations = isBound ? [new(tag!.Value, from!.Value)] : [],
            IsFetched = true,
        };
        var (stored, failure) = await TryStoreAsync(
            isBound ? change.By(caller) : change,
            isNew: isBound || (isStored ? !manifest.IsStored : await backing.FirstSeenAsync(manifest.Digest) is null), cancellationToken);
        // Under a policy a blob is served because an admitted manifest names it. When that cannot be noted, the manifest would name
        // blobs that the gateway then refuses.
        if (failure is not null && isStored && !evaluator.Engine.AdmitsEverything)
            return new Answer<StoredManifest>.Unavailable(null, failure, handling);
        handling = handling with { Stored = stored && isStored };
        if (verdict.Outcome == Outcome.Allow) return new Answer<StoredManifest>.Found(manifest, handling);
        var decision = evaluator.Decide(verdict, Stage.ProxyFetch, tag?.Value ?? manifest.Digest.ToString(), manifest.Digest, caller);
        return verdict.Outcome switch
        {
            Outcome.Warn => new Answer<StoredManifest>.Found(manifest, handling) { Warning = decision },
            // Pushers see it, as they see a held push, so that they can sign it.
            Outcome.Quarantine when isSeenByPushers => new Answer<StoredManifest>.Found(manifest, handling) { Warning = decision },
            Outcome.Quarantine => new Answer<StoredManifest>.Hidden(decision, handling) { SparesPushers = takesPushes },
            _ => new Answer<StoredManifest>.Refused(decision, handling),
        };
    }

    private static Verdict VerdictOf(Arrival fetched) =>
        fetched.Tags.IsEmpty ? Verdicts.Worse(fetched.Refusal, fetched.OfDigest) : fetched.Tags[0].Verdict;

    private async ValueTask<(bool Stored, string? Failure)> TryStoreAsync(Change change, bool isNew, CancellationToken cancellationToken)
    {
        if (!isNew) return (false, null);
        try
        {
            var result = await backing.CommitAsync(change, cancellationToken);
            // When another request has moved the tag, the newer binding stays, and this answer is still what the upstream said. The
            // manifest is stored without the tag, because its blobs are served for it. The same holds when another configuration is in
            // force: the tag is resolved again under that.
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
    /// The newest manifest that the tag was bound to here and that is admitted now, in place of one that is not; when there is none, the
    /// refusal.
    /// </summary>
    private async ValueTask<Answer<StoredManifest>> GetLastGoodAsync(
        Caller caller, TagName tag, Digest refusedDigest, Answer<StoredManifest> refused, CancellationToken cancellationToken)
    {
        var decision = refused switch
        {
            Answer<StoredManifest>.Refused { Decision: var known } => known,
            Answer<StoredManifest>.Hidden { Decision: var known } => known,
            _ => throw new ArgumentException($"expected a refusal, got {refused.GetType().Name}", nameof(refused)),
        };
        foreach (var digest in backing.HistoryOf(tag).Prepend(backing.LiveOf(tag)).Where(d => !d.IsEmpty && d != refusedDigest).Distinct())
        {
            if (await GetByDigestAsync(caller, digest, tag, cancellationToken) is not Answer<StoredManifest>.Found found) continue;
            var why = $"{Name}:{tag} differs from the upstream: newer {refusedDigest} refused by policy, decision {decision.Id}";
            var handling = found.Handling with { Notice = why };
            return Standing(found with { Substituted = refusedDigest, Handling = handling }, TagStanding.Live);
        }
        return refused;
    }
}
