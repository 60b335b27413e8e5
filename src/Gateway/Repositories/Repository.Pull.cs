using Gateway.Access;
using Gateway.Configuration;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Pulls of manifests. GET and HEAD are one call.</summary>
internal sealed partial class Repository
{
    /// <summary>The manifest of a tag or digest, as the caller may see it.</summary>
    public async ValueTask<Answer<StoredManifest>> GetManifestAsync(Caller caller, Reference reference, CancellationToken cancellationToken)
    {
        if (reference.IsDigest) return await GetByDigestAsync(caller, reference.Digest, null, cancellationToken);
        var read = await backing.ReadTagAsync(reference.Tag, isForClient: !caller.IsGateway, cancellationToken);
        if (read is not Result<TaggedManifest>.Found { Value: var (state, manifest), Handling: var handling })
            return read.WithoutValue<TaggedManifest, StoredManifest>();
        if (state.Held is { } held) return Resolved(await GetHeldAsync(caller, state, held, handling, cancellationToken), handling);
        return manifest is null
            ? await GetBoundAsync(caller, reference.Tag, state, handling, cancellationToken)
            : await GetLiveAsync(
                caller, reference.Tag, state.Live, await EvaluateAsync(caller, manifest, reference.Tag, handling, cancellationToken),
                handling, cancellationToken);
    }

    /// <summary>Whether the repository or its upstream has this manifest, whatever the verdict of it is.</summary>
    public async ValueTask<bool> HasManifestAsync(Digest digest, CancellationToken cancellationToken) =>
        await backing.ReadManifestAsync(digest, cancellationToken) is Result<StoredManifest>.Found;

    /// <summary>What a tag is bound to, here or at its upstream; absent when it is bound to nothing.</summary>
    private async ValueTask<Answer<StoredManifest>> GetBoundAsync(
        Caller caller, TagName tag, TagState state, CacheHandling handling, CancellationToken cancellationToken)
    {
        if (state.IsUnbound)
            return DoubtOf(handling) is { } why
                ? new Answer<StoredManifest>.Unavailable(Changes.RetryWrite, why, handling)
                : new Answer<StoredManifest>.Absent(handling);
        if (!state.UpstreamDigest.IsEmpty) return await AdmitUpstreamTagAsync(caller, tag, state, handling, cancellationToken);
        var answer = await GetByDigestAsync(caller, state.Live, tag, cancellationToken);
        return await GetLiveAsync(caller, tag, state.Live, answer, handling, cancellationToken);
    }

    /// <summary>
    /// The answer for a tag whose live manifest was evaluated. The policy may refuse now what it admitted when the tag was bound.
    /// </summary>
    private async ValueTask<Answer<StoredManifest>> GetLiveAsync(
        Caller caller, TagName tag, Digest live, Answer<StoredManifest> answer, CacheHandling handling,
        CancellationToken cancellationToken) =>
        answer is Answer<StoredManifest>.Hidden hidden
            ? Resolved(await GetLastGoodAsync(caller, tag, live, hidden, cancellationToken), handling)
            : Resolved(Standing(answer, TagStanding.Live), handling);

    /// <summary>The answer to a request by tag has the cache handling of the tag, unless the manifest itself was fetched.</summary>
    private static Answer<StoredManifest> Resolved(Answer<StoredManifest> answer, CacheHandling tag)
    {
        if (answer is not Answer<StoredManifest>.Found { Handling: { IsHit: true } how } found || ReferenceEquals(how, tag)) return answer;
        return found with { Handling = how.Notice is null ? tag : tag with { Notice = how.Notice } };
    }

    private Answer<StoredManifest> Standing(Answer<StoredManifest> answer, TagStanding standing) =>
        answer is Answer<StoredManifest>.Found found && !evaluator.Engine.AdmitsEverything ? found with { Standing = standing } : answer;

    private async ValueTask<Answer<StoredManifest>> GetByDigestAsync(
        Caller caller, Digest digest, TagName? tag, CancellationToken cancellationToken)
    {
        var read = await ReadRequestedAsync(caller, digest, cancellationToken);
        if (read is not Result<StoredManifest>.Found { Value: var manifest } found) return read.ToAnswer();
        return manifest.IsStored
            ? await EvaluateAsync(caller, manifest, tag, found.Handling, cancellationToken)
            : await AdmitFetchedAsync(caller, manifest, tag, null, found.Handling, cancellationToken);
    }

    /// <summary>A stored manifest, as the caller may see it under the policy.</summary>
    private async ValueTask<Answer<StoredManifest>> EvaluateAsync(
        Caller caller, StoredManifest manifest, TagName? tag, CacheHandling handling, CancellationToken cancellationToken)
    {
        var verdict = await evaluator.OfStoredAsync(manifest, tag, cancellationToken);
        if (!verdict.Admits)
        {
            // Another gateway may have released it. A tag was read just now, or could not be read.
            var caughtUp = tag is null ? await evaluator.CatchUpAsync(cancellationToken) : new(false, DoubtOf(handling));
            if (caughtUp.IsRead) verdict = await evaluator.OfStoredAsync(manifest, tag, cancellationToken);
            if (!verdict.Admits) verdict = verdict with { Unknown = verdict.Unknown ?? caughtUp.Unknown };
        }
        if (verdict is { Admits: false, Unknown: null } && tag is null)
        {
            var looked = await LookForIndexAsync(caller, manifest, cancellationToken);
            if (looked.Why is { } why && !IsKnownPusher(caller)) return why with { SparesPushers = takesPushes };
            if (looked.IsAdmitted) verdict = await evaluator.OfStoredAsync(manifest, tag, cancellationToken);
        }
        // Clients list evidence in an index under a tag of evidence: it is hidden as long as its subject is.
        if (verdict.Admits && tag is { } named && manifest.Manifest.IsIndex)
        {
            var subject = EvidenceNotes.SubjectOf(named, manifest.Digest);
            verdict = await evaluator.OfHeldSubjectAsync(subject, cancellationToken) ?? verdict;
        }
        return verdict.Outcome == Outcome.Allow
            ? new Answer<StoredManifest>.Found(manifest, handling)
            : Show(caller, manifest, verdict, tag?.Value ?? manifest.Digest.ToString(), handling);
    }

    /// <summary>
    /// Why a refusal by what was read may be outdated: the bucket did not answer, and another gateway may have changed it. Null when what
    /// was read is up to date, and where an upstream decides.
    /// </summary>
    private string? DoubtOf(CacheHandling handling) => backing.IsBuiltIn ? handling.Incomplete : null;

    // One look is for all clients that ask for the same content, so it has the rights of the least of them.
    private static readonly Caller Looking = new("replica", AccessActions.Pull) { IsGateway = true };

    /// <summary>
    /// Pulls what other replicas say names some content that is not admitted here. What the gateway itself pulls is not looked for, so one
    /// look leads to no other.
    /// </summary>
    private ValueTask<Looked> LookElsewhereAsync(
        Caller caller, LinkKind kind, Digest content, Func<ValueTask<bool>> isAdmitted, CancellationToken cancellationToken) =>
        caller.IsGateway || backing.Others is not { } others
            ? new(Looked.InVain)
            : LazyInitializer.EnsureInitialized(ref _elsewhere, () => new(evaluator.Clock)).PullAsync(
                others, kind, content, digest => GetByDigestAsync(Looking, digest, null, CancellationToken.None), isAdmitted,
                cancellationToken);

    /// <summary>
    /// Looks for an index that admits a manifest, because a signature of the index counts for the images below it. The client may have the
    /// index from another replica.
    /// </summary>
    private ValueTask<Looked> LookForIndexAsync(Caller caller, StoredManifest manifest, CancellationToken cancellationToken) =>
        LookElsewhereAsync(
            caller, LinkKind.Manifest, manifest.Digest,
            async () => manifest.IsStored
                ? (await evaluator.OfStoredAsync(manifest, null, CancellationToken.None)).Admits
                : VerdictOf(await evaluator.OfArrivalAsync(manifest, Stage.ProxyFetch, [], CancellationToken.None)).Admits,
            cancellationToken);

    private async ValueTask<Result<StoredManifest>> ReadRequestedAsync(Caller caller, Digest digest, CancellationToken cancellationToken)
    {
        var result = await backing.ReadManifestAsync(digest, cancellationToken);
        if (!caller.IsGateway) backing.Requested(digest, result);
        return result;
    }

    /// <summary>
    /// Shows a stored manifest whose verdict is not "allow". A caller with an account that may push here sees it whatever the verdict is,
    /// because it must be possible to sign it or to push in its place.
    /// </summary>
    private Answer<StoredManifest> Show(Caller caller, StoredManifest manifest, Verdict verdict, string reference, CacheHandling handling)
    {
        var isShown = verdict.Admits || IsKnownPusher(caller);
        if (!isShown && verdict.Unknown is not null)
            return evaluator.NotKnown<StoredManifest>(verdict, manifest.Digest, handling) with { SparesPushers = takesPushes };
        // This tells a person who signs without an account why signing fails.
        var lead = !isShown && verdict.Outcome == Outcome.Quarantine ? "held, visible to accounts that may push here" : null;
        var decision = evaluator.Decide(verdict, Stage.Pull, reference, manifest.Digest, caller, lead);
        return isShown
            ? new Answer<StoredManifest>.Found(manifest, handling) { Warning = decision }
            : new Answer<StoredManifest>.Hidden(decision, handling) { SparesPushers = takesPushes };
    }
}
