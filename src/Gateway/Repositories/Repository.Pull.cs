using System.Collections.Immutable;
using Gateway.Access;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Pulling a manifest. GET and HEAD are one call.</summary>
internal sealed partial class Repository
{
    public async ValueTask<Answer<StoredManifest>> GetManifestAsync(Caller caller, Reference reference, CancellationToken cancellationToken)
    {
        if (reference.IsDigest) return await GetByDigestAsync(caller, reference.Digest, null, cancellationToken);
        switch (await backing.ResolveAsync(reference.Tag, cancellationToken))
        {
            case Result<TagState>.Found { Value: { Held: { } offer } state, Handling: var handling }:
                return Resolved(await GetHeldAsync(caller, state, offer, handling, cancellationToken), handling);
            case Result<TagState>.Found { Value: var state, Handling: var handling }:
                return await GetBoundAsync(caller, reference.Tag, state, handling, cancellationToken);
            case Result<TagState>.Unavailable no:
                return new Answer<StoredManifest>.Unavailable(no.RetryAfter, no.Why, no.Handling);
            case var no:
                return new Answer<StoredManifest>.Absent(no.Handling);
        }
    }

    /// <summary>Whether the client is given this manifest by the repository or its upstream, whatever the policy says of it.</summary>
    public async ValueTask<bool> HasManifestAsync(Digest digest, CancellationToken cancellationToken) =>
        await backing.ReadManifestAsync(digest, cancellationToken) is Result<StoredManifest>.Found;

    /// <summary>What a tag is bound to, here or by its upstream's word; absent when it is not.</summary>
    private async ValueTask<Answer<StoredManifest>> GetBoundAsync(
        Caller caller, TagName tag, TagState state, CacheHandling handling, CancellationToken cancellationToken)
    {
        if (state.IsUnbound) return new Answer<StoredManifest>.Absent(handling);
        if (!state.UpstreamDigest.IsEmpty) return await AdmitUpstreamTagAsync(caller, tag, state, handling, cancellationToken);
        var live = await GetByDigestAsync(caller, state.Live, tag, cancellationToken);
        // What an upstream's tag was bound to may have been refused since.
        return live is Answer<StoredManifest>.Hidden hidden
            ? Resolved(await GetLastGoodAsync(caller, tag, state.Live, hidden, cancellationToken), handling)
            : Resolved(Standing(live, TagStanding.Live), handling);
    }

    /// <summary>An answer by tag came about as its tag was resolved, unless the manifest itself had to be fetched.</summary>
    private static Answer<StoredManifest> Resolved(Answer<StoredManifest> answer, CacheHandling tag) =>
        answer is Answer<StoredManifest>.Found { Handling: { IsHit: true } how } found
            ? found with { Handling = tag with { Notice = how.Notice ?? tag.Notice } }
            : answer;

    private Answer<StoredManifest> Standing(Answer<StoredManifest> answer, TagStanding standing) =>
        answer is Answer<StoredManifest>.Found found && !judge.Engine.AdmitsEverything ? found with { Standing = standing } : answer;

    private async ValueTask<Answer<StoredManifest>> GetByDigestAsync(
        Caller caller, Digest digest, TagName? tag, CancellationToken cancellationToken)
    {
        switch (await backing.ReadManifestAsync(digest, cancellationToken))
        {
            case Result<StoredManifest>.Found { Value.IsStored: true } found:
                var verdict = await judge.OfStoredAsync(backing, Name, found.Value, tag, cancellationToken);
                // An index under such a tag is what clients list evidence in.
                if (verdict.Admits && tag is { } named && found.Value.Manifest.IsIndex)
                    verdict = await judge.OfHeldAsync(backing, Name, EvidenceNotes.SubjectOf(named, digest), cancellationToken) ?? verdict;
                return Show(caller, found.Value, verdict, tag?.Value ?? digest.ToString(), found.Handling);
            case Result<StoredManifest>.Found found:
                return await AdmitFetchedAsync(caller, found.Value, tag, null, found.Handling, cancellationToken);
            case Result<StoredManifest>.Unavailable no:
                return new Answer<StoredManifest>.Unavailable(no.RetryAfter, no.Why, no.Handling) { IsDamaged = no.IsDamaged };
            case var no:
                return new Answer<StoredManifest>.Absent(no.Handling);
        }
    }

    /// <summary>
    /// Shows a stored manifest under a verdict. One who is known and may push here sees it whatever the verdict: else nobody could push
    /// over it, or sign it.
    /// </summary>
    private Answer<StoredManifest> Show(Caller caller, StoredManifest manifest, Verdict verdict, string reference, CacheHandling handling)
    {
        if (verdict.Outcome == Outcome.Allow) return new Answer<StoredManifest>.Found(manifest, handling);
        var isShown = verdict.Admits || IsKnownPusher(caller);
        if (!isShown && verdict.Unknown is not null)
            return NotKnown<StoredManifest>(verdict, manifest.Digest, handling) with { SparesPushers = takesPushes };
        // Whoever signs without having logged in is told here why it does not work.
        var lead = !isShown && verdict.Outcome == Outcome.Quarantine ? "held, seen by who may push here" : null;
        var decision = judge.Decide(verdict, Stage.Pull, Name, reference, manifest.Digest, caller, lead);
        return isShown
            ? new Answer<StoredManifest>.Found(manifest, handling) { Warning = decision }
            : new Answer<StoredManifest>.Hidden(decision, handling) { SparesPushers = takesPushes };
    }
}
