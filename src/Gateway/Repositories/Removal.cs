using Gateway.Access;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// Deletes manifests, tags and blobs of one repository for callers that have the right to, and protects evidence that is in use.
/// </summary>
internal sealed class Removal(IBacking backing, Evaluator evaluator)
{
    private readonly Dependents _dependents = new(backing, evaluator);

    /// <summary>Deletes a manifest and every tag bound to it; by tag, the tag alone and its held push.</summary>
    public ValueTask<Answer<Digest>> DeleteManifestAsync(Caller caller, Reference reference, CancellationToken cancellationToken) =>
        reference.IsDigest
            ? DeleteByDigestAsync(caller, reference.Digest, cancellationToken)
            : DeleteTagAsync(caller, reference.Tag, cancellationToken);

    public async ValueTask<Answer<Digest>> DeleteBlobAsync(Caller caller, Digest digest, CancellationToken cancellationToken)
    {
        var found = await backing.FindBlobAsync(digest, cancellationToken);
        if (found is not Result<Link>.Found) return NotThere(found);
        var removal = new Change([new Operation.RemoveBlob(digest)]);
        if (evaluator.Engine.AdmitsEverything) return await RemoveAsync(caller, removal, digest, cancellationToken) ?? Busy(digest);
        if (!caller.MayAdmin)
        {
            await foreach (var (evidence, dependents) in _dependents.OfBlobAsync(digest, cancellationToken))
            {
                if (await _dependents.InUseAsync(dependents, evidence, cancellationToken) is { } inUse)
                    return Refuse(caller, inUse, digest.ToString(), digest);
            }
        }
        var answer = await RemoveAsync(caller, removal, digest, cancellationToken) ?? Busy(digest);
        return answer is Answer<Digest>.Found ? await ForgetAsync(answer, digest, cancellationToken) : answer;
    }

    /// <summary>
    /// Removes the noted verdicts that rested on a deleted blob. This follows the deletion: evidence that names the blob could be pushed
    /// until then, and cannot be pushed any more.
    /// </summary>
    private async ValueTask<Answer<Digest>> ForgetAsync(Answer<Digest> answer, Digest blob, CancellationToken cancellationToken)
    {
        var forgotten = new HashSet<Digest>();
        await foreach (var (_, dependents) in _dependents.OfBlobAsync(blob, cancellationToken)) forgotten.UnionWith(dependents);
        forgotten.UnionWith(await _dependents.ShownEvidenceAsync([.. forgotten], cancellationToken));
        return forgotten.Count == 0 ? answer : await Changes.WriteAsync<Digest>(async () =>
        {
            await backing.CommitAsync(new([.. Changes.ForgetVerdicts(forgotten)]), cancellationToken);
            return answer;
        });
    }

    private async ValueTask<Answer<Digest>> DeleteTagAsync(Caller caller, TagName tag, CancellationToken cancellationToken)
    {
        var resolved = await backing.ResolveAsync(tag, cancellationToken);
        if (resolved is not Result<TagState>.Found { Value: var state }) return NotThere(resolved);
        if (!caller.MayAdmin && EvidenceTag.Parse(tag) is { } about && _dependents.InUseElsewhere(tag.Value) is { } inUse)
            return Refuse(caller, inUse, tag.Value, about.Subject);
        Operation[] removal =
        [
            .. state.IsUnbound ? Array.Empty<Operation>() : [new Operation.RemoveTag(tag)],
            .. state.Held is null ? Array.Empty<Operation>() : [new Operation.EndHold(tag)],
        ];
        var digest = !state.Live.IsEmpty ? state.Live : !state.UpstreamDigest.IsEmpty ? state.UpstreamDigest : state.Held!.Digest;
        return await RemoveAsync(caller, new([.. removal]), digest, cancellationToken) ?? Busy(digest);
    }

    private async ValueTask<Answer<Digest>> DeleteByDigestAsync(Caller caller, Digest digest, CancellationToken cancellationToken)
    {
        var read = await backing.ReadManifestAsync(digest, cancellationToken);
        if (read is not Result<StoredManifest>.Found { Value: var manifest })
        {
            // A link without readable bytes can still be removed.
            return await backing.ReadLinkAsync(digest, LinkKind.Manifest, cancellationToken) is null
                ? NotThere(read)
                : await RemoveAsync(caller, new([new Operation.RemoveManifest(digest)]), digest, cancellationToken) ?? Busy(digest);
        }
        if (evaluator.Engine.AdmitsEverything)
            return await RemoveAsync(caller, new([new Operation.RemoveManifest(digest)]), digest, cancellationToken) ?? Busy(digest);
        for (var attempt = 0; attempt < Changes.MaxAttempts; attempt++)
        {
            if (await TryDeleteAsync(caller, manifest, cancellationToken) is { } answer) return answer;
        }
        return new Answer<Digest>.Unavailable(
            Changes.RetryBusy, $"other requests keep changing the evidence in {evaluator.Name}; delete {digest} again",
            CacheHandling.Local);
    }

    /// <summary>Null when what rests on the manifest changed before the commit.</summary>
    private async ValueTask<Answer<Digest>?> TryDeleteAsync(Caller caller, StoredManifest manifest, CancellationToken cancellationToken)
    {
        var digest = manifest.Digest;
        var subjects = ManifestKinds.HasFormOfEvidence(manifest.Manifest) ? await backing.SubjectsOfAsync(digest) : [];
        var dependents = await _dependents.OfManifestAsync(manifest, subjects, cancellationToken);
        if (subjects.Count > 0 && !caller.MayAdmin
            && await _dependents.InUseAsync(dependents.Keys, digest, cancellationToken) is { } inUse)
            return Refuse(caller, inUse, digest.ToString(), digest);
        var shown = await _dependents.ShownEvidenceAsync(dependents.Keys, cancellationToken);
        var forgotten = dependents.Keys.Union(shown).Where(d => d != digest);
        var removal = new Change([.. Changes.ForgetVerdicts(forgotten), new Operation.RemoveManifest(digest)])
        {
            Subjects = [.. dependents.Select(d => (d.Key, d.Value))],
        };
        return await RemoveAsync(caller, removal, digest, cancellationToken);
    }

    /// <summary>Null when something that the removal rests on has changed.</summary>
    private async ValueTask<Answer<Digest>?> RemoveAsync(Caller caller, Change removal, Digest digest, CancellationToken cancellationToken)
    {
        var isOutdated = false;
        var answer = await Changes.WriteAsync<Digest>(async () =>
        {
            var result = await backing.CommitAsync(removal.By(caller), cancellationToken);
            isOutdated = result is not (CommitResult.Committed or CommitResult.Superseded);
            return result is CommitResult.Superseded
                ? new Answer<Digest>.Superseded()
                : new Answer<Digest>.Found(digest, CacheHandling.Local);
        });
        return isOutdated ? null : answer;
    }

    private static Answer<Digest> NotThere<T>(Result<T> result) => result is Result<T>.Unavailable
        ? result.WithoutValue<T, Digest>()
        : new Answer<Digest>.Absent(CacheHandling.Local);

    private Answer<Digest>.Refused Refuse(Caller caller, Verdict verdict, string reference, Digest digest) =>
        new(evaluator.Decide(verdict, Stage.Push, reference, digest, caller), CacheHandling.Local);

    private Answer<Digest>.Unavailable Busy(Digest digest) =>
        new(Changes.RetryBusy, $"other requests are changing {evaluator.Name}; delete {digest} again", CacheHandling.Local);
}
