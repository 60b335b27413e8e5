using System.Collections.Immutable;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// Promotion: a manifest of another repository, with everything below it and the evidence that counted, becomes a tag here in one change.
/// </summary>
internal sealed partial class Repository
{
    /// <param name="source">Where it is.</param>
    /// <param name="there">The caller as that repository sees him.</param>
    /// <param name="reference">What is promoted.</param>
    /// <param name="tag">The tag to bind here.</param>
    public async ValueTask<Answer<PushedManifest>> PromoteAsync(
        Caller caller, Repository source, Caller there, Reference reference, TagName tag, CancellationToken cancellationToken)
    {
        if (RefuseChange<PushedManifest>(caller, AccessActions.Push) is { } refusal) return refusal;
        if (!there.MayPull) return new Answer<PushedManifest>.Absent(CacheHandling.Local);
        switch (await source.GetManifestAsync(there, reference, cancellationToken))
        {
            case Answer<StoredManifest>.Found found:
                return await WriteAsync(() => PromoteAsync(caller, source, found.Value, tag, cancellationToken));
            case Answer<StoredManifest>.Hidden hidden:
                return new Answer<PushedManifest>.Hidden(hidden.Decision, hidden.Handling);
            case Answer<StoredManifest>.Refused refused:
                return new Answer<PushedManifest>.Refused(refused.Decision, refused.Handling);
            case Answer<StoredManifest>.Unavailable no:
                return new Answer<PushedManifest>.Unavailable(no.RetryAfter, no.Why, no.Handling);
            case var no:
                return new Answer<PushedManifest>.Absent(no.Handling);
        }
    }

    private async ValueTask<Answer<PushedManifest>> PromoteAsync(
        Caller caller, Repository source, StoredManifest manifest, TagName tag, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            if (await TryPromoteAsync(caller, source, manifest, tag, cancellationToken) is { } answer) return answer;
        }
        return new Answer<PushedManifest>.Unavailable(
            TimeSpan.FromSeconds(1), $"others keep moving {Name}:{tag}; promote {manifest.Digest} again", CacheHandling.Local);
    }

    /// <summary>Null when the tag has moved since it was judged, or the evidence is gone that it was judged by.</summary>
    private async ValueTask<Answer<PushedManifest>?> TryPromoteAsync(
        Caller caller, Repository source, StoredManifest manifest, TagName tag, CancellationToken cancellationToken)
    {
        var (moved, arrival) = await ReadAsync(source, manifest, tag, cancellationToken);
        if (moved is null) return null;
        if (arrival.Worst.Unknown is not null) return NotKnown<PushedManifest>(arrival.Worst, manifest.Digest, CacheHandling.Local);
        var why = $"not promoted; evidence is taken from {source.Name}, where it must be first";
        if (arrival.IsRefused || !arrival.Tags[0].Verdict.Admits)
            return new Answer<PushedManifest>.Refused(
                judge.Decide(arrival.Worst, Stage.Promote, Name, tag.Value, manifest.Digest, caller, why), CacheHandling.Local);
        var blobs = moved.SelectMany(m => m.Manifest.Manifest.Blobs).Where(b => b.Urls.IsEmpty);
        if (await FindAbsentAsync(blobs, cancellationToken) is { } absent)
            return new Answer<PushedManifest>.Invalid(
                RegistryErrorCode.MANIFEST_BLOB_UNKNOWN,
                $"{absent.Digest} of {source.Name} is not kept here; pull {source.Name}@{manifest.Digest} through this gateway, "
                + "then promote again");
        Operation[] binding =
        [
            new Operation.SetVerdict(manifest.Digest, judge.Stamp(arrival.OfDigest)), new Operation.SetLive(tag, manifest.Digest),
            .. backing.HeldPushes().Any(o => o.Tag == tag) ? [new Operation.EndHold(tag)] : Array.Empty<Operation>(),
        ];
        List<Operation> copied = [];
        foreach (var (copy, about) in moved)
            await foreach (var operation in CopyingAsync(source, copy, about).WithCancellation(cancellationToken)) copied.Add(operation);
        var change = new Change([.. copied, .. binding, .. arrival.Counted])
        {
            Expectations = arrival.Bound,
            Published = [.. moved.Select(m => m.Manifest.Digest)],
        };
        if (judge.Engine.AdmitsEverything || Judge.MayBeAboutOthers(manifest.Manifest))
            change = change with { Operations = change.Operations.RemoveAll(o => o is Operation.SetVerdict) };
        switch (await backing.CommitAsync(By(caller, change), cancellationToken))
        {
            case CommitResult.Superseded: return new Answer<PushedManifest>.Superseded();
            case not CommitResult.Committed: return null;
        }
        foreach (var blob in moved.SelectMany(m => m.Manifest.Manifest.Blobs)) recent.Note(blob.Digest, Name);
        return new Answer<PushedManifest>.Found(
            new(manifest.Digest, manifest.Manifest.Subject?.Digest ?? default, []) { Promoted = [tag] }, CacheHandling.Local)
        {
            Warning = arrival.Worst.Outcome == Outcome.Warn
                ? judge.Decide(arrival.Worst, Stage.Promote, Name, tag.Value, manifest.Digest, caller)
                : null,
        };
    }

    /// <summary>
    /// Everything that is promoted, what is below before what is above and evidence last, and what the policy here says of it; nothing
    /// where evidence went meanwhile that it says so by. Evidence is as old as it was where it comes from.
    /// </summary>
    private async ValueTask<(List<(StoredManifest Manifest, Digest About)>? Moved, Arrival Arrival)> ReadAsync(
        Repository source, StoredManifest manifest, TagName tag, CancellationToken cancellationToken)
    {
        var moved = new List<(StoredManifest, Digest)> { (manifest, default) };
        if (judge.Engine.AdmitsEverything)
        {
            for (var i = 0; i < moved.Count; i++)
            {
                foreach (var child in moved[i].Item1.Manifest.Children.Where(c => MediaTypes.IsManifest(c.MediaType)))
                    moved.AddRange(await source.StoredAsync(child.Digest, default, cancellationToken));
            }
            moved.Reverse();
            return (
                moved.DistinctBy(m => m.Item1.Digest).ToList(),
                await judge.OfArrivalAsync(backing, Name, manifest, Stage.Promote, [tag], cancellationToken));
        }
        var closure = await judge.ReadAsync(source.Backing, manifest, null, cancellationToken, bindings: backing, whole: true);
        closure.EvidenceFrom = source.Name;
        var arrival = await judge.OfArrivalAsync(closure, Name, Stage.Promote, [tag], cancellationToken);
        foreach (var (digest, _) in closure.Descendants) moved.AddRange(await source.StoredAsync(digest, default, cancellationToken));
        moved.Reverse();
        var here = moved.Select(m => m.Item1.Digest).Append(closure.Canonical).ToHashSet();
        foreach (var (subject, evidence) in arrival.Verified.Where(v => here.Contains(v.Subject) && !here.Contains(v.Evidence)))
        {
            if (await source.StoredAsync(evidence, subject, cancellationToken) is not [var stored]) return (null, arrival);
            moved.Add(stored);
        }
        return (moved, arrival);
    }

    private IBacking Backing => backing;

    /// <summary>The first blob whose bytes are not stored here; null when all are.</summary>
    private async ValueTask<Descriptor?> FindAbsentAsync(IEnumerable<Descriptor> blobs, CancellationToken cancellationToken)
    {
        foreach (var blob in blobs)
        {
            if (await contents.FindAsync(blob.Digest, blob.Size, cancellationToken) is null) return blob;
        }
        return null;
    }

    private async ValueTask<(StoredManifest, Digest)[]> StoredAsync(Digest digest, Digest about, CancellationToken cancellationToken) =>
        await backing.ReadManifestAsync(digest, cancellationToken) is Result<StoredManifest>.Found { Value: var stored }
            ? [(stored, about)]
            : [];

    private async IAsyncEnumerable<Operation> CopyingAsync(Repository source, StoredManifest manifest, Digest about)
    {
        var seen = await source.Backing.FirstSeenAsync(manifest.Digest) ?? clock.GetUtcNow();
        foreach (var operation in StoreOperations.Of(manifest with { IsStored = false }, default, isAdmitted: true, seen))
            yield return operation;
        if (about.IsEmpty || manifest.Manifest.Subject is not null) yield break;
        yield return new Operation.AddEvidence(about, manifest.Digest);
        // Where clients of the older form look for it; what is there already stays.
        var tags = source.Backing.TagsOfAsync(manifest.Digest)
            .Where(t => EvidenceNotes.SubjectOf(t, manifest.Digest) == about && backing.LiveOf(t).IsEmpty);
        await foreach (var tag in tags) yield return new Operation.SetLive(tag, manifest.Digest);
    }
}
