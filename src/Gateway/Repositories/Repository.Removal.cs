using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Removing manifests, tags and blobs.</summary>
internal sealed partial class Repository
{
    /// <summary>By digest: the manifest and every tag bound to it. By tag: the tag alone, with what waits for it.</summary>
    public async ValueTask<Answer<Digest>> DeleteManifestAsync(Asker asker, Reference reference, CancellationToken cancellationToken)
    {
        if (RefuseChange<Digest>(asker, AccessActions.Delete) is { } refusal) return refusal;
        if (reference.IsDigest) return await DeleteByDigestAsync(asker, reference.Digest, cancellationToken);
        var resolved = await backing.ResolveAsync(reference.Tag, cancellationToken);
        if (resolved is not Result<TagState>.Found { Value: var tag }) return NotThere(resolved);
        Operation[] removal =
        [
            .. tag.IsUnbound ? Array.Empty<Operation>() : [new Operation.RemoveTag(reference.Tag)],
            .. tag.Offer is null ? Array.Empty<Operation>() : [new Operation.Withdraw(reference.Tag)],
        ];
        var digest = new[] { tag.Live, tag.Offered, tag.Offer?.Digest ?? default }.First(d => !d.IsEmpty);
        return await RemoveAsync(asker, new([.. removal]), digest, cancellationToken);
    }

    private static Answer<Digest> NotThere<T>(Result<T> result) => result is Result<T>.Unavailable no
        ? new Answer<Digest>.Unavailable(no.RetryAfter, no.Why, no.Provenance)
        : new Answer<Digest>.Absent(Provenance.Local);

    private async ValueTask<Answer<Digest>> DeleteByDigestAsync(Asker asker, Digest digest, CancellationToken cancellationToken)
    {
        var read = await backing.ReadManifestAsync(digest, cancellationToken);
        if (read is not Result<StoredManifest>.Found { Value: var manifest })
        {
            // A link without readable bytes can still be removed.
            return await backing.ReadLinkAsync(digest, LinkKind.Manifest, cancellationToken) is null
                ? NotThere(read)
                : await RemoveAsync(asker, new([new Operation.RemoveManifest(digest)]), digest, cancellationToken);
        }
        if (judge.Engine.AdmitsEverything)
            return await RemoveAsync(asker, new([new Operation.RemoveManifest(digest)]), digest, cancellationToken);
        var subjects = ManifestKinds.Of(manifest.Manifest) == ManifestKind.Evidence ? backing.SubjectsOf(digest) : [];
        foreach (var subject in subjects)
        {
            if (!asker.MayAdmin && await InUseAsync(subject, digest, cancellationToken) is { } inUse)
                return new Answer<Digest>.Refused(
                    judge.Decide(inUse, Stage.Push, Name, digest.ToString(), digest, asker), Provenance.Local);
        }
        var unknown = await RestingOnAsync(manifest, subjects, cancellationToken);
        return await RemoveAsync(
            asker, new([.. unknown.Select(d => new Operation.SetVerdict(d, default)), new Operation.RemoveManifest(digest)]), digest,
            cancellationToken);
    }

    /// <summary>
    /// A refusal, where pullers have a manifest for the sake of this evidence: what was admitted stays explained, and there.
    /// </summary>
    private async ValueTask<Verdict?> InUseAsync(Digest subject, Digest evidence, CancellationToken cancellationToken)
    {
        if (await backing.ReadLinkAsync(subject, LinkKind.Manifest, cancellationToken) is null
            || await backing.ReadManifestAsync(subject, cancellationToken) is not Result<StoredManifest>.Found { Value: var manifest })
            return null;
        var closure = await judge.ReadAsync(backing, manifest, null, cancellationToken);
        TagName?[] asked = [null, .. backing.TagsOf(subject).Select(t => (TagName?)t)];
        foreach (var tag in asked)
        {
            var verdict = await judge.AskAsync(closure, Name, Stage.Pull, tag, cancellationToken);
            if (verdict.Admits && verdict.Evidence.Any(e => e.Verified && e.Digest == evidence))
                return Denied("EVIDENCE_IN_USE", $"{evidence} is why {subject} is admitted in {Name}; delete {subject} first");
        }
        return null;
    }

    /// <summary>
    /// Whose verdict may rest on a manifest: what it is evidence about with all above and below that, and what it is above.
    /// </summary>
    private async ValueTask<HashSet<Digest>> RestingOnAsync(
        StoredManifest manifest, IReadOnlyList<Digest> subjects, CancellationToken cancellationToken)
    {
        var resting = new HashSet<Digest>();
        foreach (var subject in subjects.Append(manifest.Digest))
        {
            resting.Add(subject);
            resting.UnionWith(await backing.IndexesOfAsync(subject));
            var read = await backing.ReadManifestAsync(subject, cancellationToken);
            if (read is Result<StoredManifest>.Found { Value: { IsStored: true } stored })
                resting.UnionWith((await judge.ReadAsync(backing, stored, null, cancellationToken)).Descendants.Select(d => d.Digest));
        }
        resting.Remove(manifest.Digest);
        return resting;
    }

    public async ValueTask<Answer<Digest>> DeleteBlobAsync(Asker asker, Digest digest, CancellationToken cancellationToken)
    {
        if (RefuseChange<Digest>(asker, AccessActions.Delete) is { } refusal) return refusal;
        var found = await backing.FindBlobAsync(digest, cancellationToken);
        if (found is not Result<Link>.Found { Value: var link }) return NotThere(found);
        var isGuarded = !judge.Engine.AdmitsEverything && !asker.MayAdmin;
        if (isGuarded && await PayloadInUseAsync(digest, link.Parent, cancellationToken) is { } inUse)
            return new Answer<Digest>.Refused(judge.Decide(inUse, Stage.Push, Name, digest.ToString(), digest, asker), Provenance.Local);
        return await RemoveAsync(asker, new([new Operation.RemoveBlob(digest)]), digest, cancellationToken);
    }

    /// <summary>A refusal, where a blob is what evidence that is in use says; the same payload may be in more than one.</summary>
    private async ValueTask<Verdict?> PayloadInUseAsync(Digest blob, Digest parent, CancellationToken cancellationToken)
    {
        if (parent.IsEmpty) return null;
        foreach (var subject in backing.SubjectsOf(parent))
        {
            var noted = await backing.EvidenceAsync(subject, cancellationToken);
            foreach (var digest in noted is Result<IReadOnlyList<Digest>>.Found { Value: var all } ? all : [])
            {
                if (await backing.ReadManifestAsync(digest, cancellationToken) is Result<StoredManifest>.Found { Value: var manifest }
                    && manifest.Manifest.Blobs.Any(b => b.Digest == blob)
                    && await InUseAsync(subject, digest, cancellationToken) is { } inUse)
                    return inUse;
            }
        }
        return null;
    }

    private ValueTask<Answer<Digest>> RemoveAsync(
        Asker asker, Change removal, Digest digest, CancellationToken cancellationToken) => WriteAsync<Digest>(async () =>
        await backing.CommitAsync(By(asker, removal), cancellationToken) is CommitResult.Superseded
            ? new Answer<Digest>.Superseded()
            : new Answer<Digest>.Found(digest, Provenance.Local));
}
