using Gateway.Access;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// Copies a manifest of another repository, with everything below it and the evidence that counted, into one repository, and binds a tag
/// to it, all in one change.
/// </summary>
/// <param name="contents">Finds the blobs on the volume: their bytes are linked, not copied.</param>
internal sealed class Promotion(IBacking backing, Evaluator evaluator, IContentLookup contents)
{
    /// <param name="About">The subject, for evidence; empty otherwise.</param>
    private readonly record struct Copied(StoredManifest Manifest, Digest About);

    /// <summary>Promotes a manifest.</summary>
    /// <param name="caller">The caller, with its rights in the receiving repository, which the gate has checked.</param>
    /// <param name="from">Evaluates for the repository that has the manifest.</param>
    /// <param name="manifest">The manifest, which the caller may pull there.</param>
    /// <param name="tag">The tag to bind.</param>
    /// <param name="copied">Is told of every blob that the repository has now.</param>
    public async ValueTask<Answer<PushedManifest>> PromoteAsync(
        Caller caller, Evaluator from, IBacking source, StoredManifest manifest, TagName tag, Action<Digest> copied,
        CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < Changes.MaxAttempts; attempt++)
        {
            var answer = await TryPromoteAsync(caller, from, source, manifest, tag, copied, cancellationToken);
            if (answer is not null) return answer;
        }
        return new Answer<PushedManifest>.Unavailable(
            Changes.RetryBusy, $"other requests keep moving {evaluator.Name}:{tag}; promote {manifest.Digest} again", CacheHandling.Local);
    }

    /// <summary>Null when the tag moved after the evaluation, or the evidence that it rests on was removed.</summary>
    private async ValueTask<Answer<PushedManifest>?> TryPromoteAsync(
        Caller caller, Evaluator from, IBacking source, StoredManifest manifest, TagName tag, Action<Digest> copied,
        CancellationToken cancellationToken)
    {
        // Another gateway may have received the signature just now.
        if ((await from.CatchUpAsync(cancellationToken)).Unknown is { } unread)
            return from.NotKnown<PushedManifest>(from.InDoubt(unread), manifest.Digest);
        var (all, arrival) = await ReadAsync(from, source, manifest, tag, cancellationToken);
        if (all is null) return null;
        if (arrival.Worst.Unknown is not null) return evaluator.NotKnown<PushedManifest>(arrival.Worst, manifest.Digest);
        if (arrival.IsRefused || !arrival.Tags[0].Verdict.Admits)
        {
            var lead = $"not promoted; evidence must be in {from.Name} first";
            return new Answer<PushedManifest>.Refused(
                evaluator.Decide(arrival.Worst, Stage.Promote, tag.Value, manifest.Digest, caller, lead), CacheHandling.Local);
        }
        var blobs = all.SelectMany(one => one.Manifest.Manifest.Blobs).Where(b => b.Urls.IsEmpty);
        if (await FindAbsentAsync(blobs, cancellationToken) is { } absent)
            return new Answer<PushedManifest>.Invalid(
                RegistryErrorCode.MANIFEST_BLOB_UNKNOWN,
                $"{absent.Digest} of {from.Name} is not stored here; pull {from.Name}@{manifest.Digest} through this gateway, "
                + "then promote again");
        List<Operation> operations = [];
        foreach (var one in all) operations.AddRange(await CopyAsync(source, one, cancellationToken));
        var change = new Change([.. operations, .. Bind(manifest, tag, arrival), .. arrival.Counted])
        {
            Expectations = arrival.Bound,
            Published = [.. all.Select(one => one.Manifest.Digest)],
        };
        switch (await backing.CommitAsync(change.By(caller), cancellationToken))
        {
            case CommitResult.Superseded: return new Answer<PushedManifest>.Superseded();
            case not CommitResult.Committed: return null;
        }
        foreach (var blob in all.SelectMany(one => one.Manifest.Manifest.Blobs)) copied(blob.Digest);
        return new Answer<PushedManifest>.Found(
            new(manifest.Digest, manifest.Manifest.Subject?.Digest ?? default, []) { Promoted = [tag] }, CacheHandling.Local)
        {
            Warning = arrival.Worst.Outcome == Outcome.Warn
                ? evaluator.Decide(arrival.Worst, Stage.Promote, tag.Value, manifest.Digest, caller)
                : null,
        };
    }

    /// <summary>
    /// Everything that is copied and the verdict of it here. Manifests below come before those above, and evidence comes last. The list is
    /// null when evidence that the verdict rests on was removed meanwhile.
    /// </summary>
    private async ValueTask<(List<Copied>? All, Arrival Arrival)> ReadAsync(
        Evaluator from, IBacking source, StoredManifest manifest, TagName tag, CancellationToken cancellationToken)
    {
        var all = new List<Copied> { new(manifest, default) };
        if (evaluator.Engine.AdmitsEverything)
        {
            for (var i = 0; i < all.Count; i++)
            {
                foreach (var child in all[i].Manifest.Manifest.Children.Where(c => MediaTypes.IsManifest(c.MediaType)))
                    all.AddRange(await ReadOneAsync(source, child.Digest, default, cancellationToken));
            }
            all.Reverse();
            return (
                all.DistinctBy(one => one.Manifest.Digest).ToList(),
                await evaluator.OfArrivalAsync(manifest, Stage.Promote, [tag], cancellationToken));
        }
        var closure = await evaluator.ReadFromAsync(source, manifest, cancellationToken);
        closure.EvidenceFrom = from.Name;
        var arrival = await evaluator.OfArrivalAsync(closure, Stage.Promote, [tag], cancellationToken);
        foreach (var (digest, _) in closure.Descendants) all.AddRange(await ReadOneAsync(source, digest, default, cancellationToken));
        all.Reverse();
        var here = all.Select(one => one.Manifest.Digest).Append(closure.Canonical).ToHashSet();
        foreach (var (subject, evidence) in arrival.Verified.Where(v => here.Contains(v.Subject) && !here.Contains(v.Evidence)))
        {
            if (await ReadOneAsync(source, evidence, subject, cancellationToken) is not [var stored]) return (null, arrival);
            all.Add(stored);
        }
        return (all, arrival);
    }

    private static async ValueTask<Copied[]> ReadOneAsync(
        IBacking source, Digest digest, Digest about, CancellationToken cancellationToken) =>
        await source.ReadManifestAsync(digest, cancellationToken) is Result<StoredManifest>.Found { Value: var stored }
            ? [new(stored, about)]
            : [];

    /// <summary>The first blob whose bytes are not stored on the volume; null when all are.</summary>
    private async ValueTask<Descriptor?> FindAbsentAsync(IEnumerable<Descriptor> blobs, CancellationToken cancellationToken)
    {
        foreach (var blob in blobs)
        {
            if (await contents.FindAsync(blob.Digest, blob.Size, cancellationToken) is null) return blob;
        }
        return null;
    }

    private IEnumerable<Operation> Bind(StoredManifest manifest, TagName tag, Arrival arrival)
    {
        if (!evaluator.Engine.AdmitsEverything && !Evaluator.MayBeAboutOthers(manifest.Manifest))
            yield return new Operation.SetVerdict(manifest.Digest, evaluator.Stamp(arrival.OfDigest));
        yield return new Operation.SetLive(tag, manifest.Digest);
        if (backing.HeldPushes().Any(held => held.Tag == tag)) yield return new Operation.EndHold(tag);
    }

    /// <summary>Operations that copy one manifest. The copy is as old as the original.</summary>
    private async ValueTask<List<Operation>> CopyAsync(IBacking source, Copied one, CancellationToken cancellationToken)
    {
        var (manifest, about) = (one.Manifest, one.About);
        var seen = await source.FirstSeenAsync(manifest.Digest) ?? evaluator.Now;
        List<Operation> operations = [.. StoreOperations.Of(manifest with { IsStored = false }, default, isAdmitted: true, seen)];
        if (about.IsEmpty || manifest.Manifest.Subject is not null) return operations;
        operations.Add(new Operation.AddEvidence(about, manifest.Digest));
        // Clients of the older form look for evidence under these tags. A tag that is bound here stays as it is.
        await foreach (var tag in source.TagsOfAsync(manifest.Digest).WithCancellation(cancellationToken))
        {
            if (EvidenceNotes.SubjectOf(tag, manifest.Digest) == about && backing.LiveOf(tag).IsEmpty)
                operations.Add(new Operation.SetLive(tag, manifest.Digest));
        }
        return operations;
    }
}
