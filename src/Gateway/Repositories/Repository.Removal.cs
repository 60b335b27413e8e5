using System.Runtime.CompilerServices;
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
    public async ValueTask<Answer<Digest>> DeleteManifestAsync(Caller caller, Reference reference, CancellationToken cancellationToken)
    {
        if (RefuseChange<Digest>(caller, AccessActions.Delete) is { } refusal) return refusal;
        if (reference.IsDigest) return await DeleteByDigestAsync(caller, reference.Digest, cancellationToken);
        var resolved = await backing.ResolveAsync(reference.Tag, cancellationToken);
        if (resolved is not Result<TagState>.Found { Value: var tag }) return NotThere(resolved);
        if (!caller.MayAdmin && EvidenceTag.Parse(reference.Tag) is { } about && InUseElsewhere(reference.Tag.Value) is { } inUse)
            return new Answer<Digest>.Refused(
                judge.Decide(inUse, Stage.Push, Name, reference.Tag.Value, about.Subject, caller), CacheHandling.Local);
        Operation[] removal =
        [
            .. tag.IsUnbound ? Array.Empty<Operation>() : [new Operation.RemoveTag(reference.Tag)],
            .. tag.Held is null ? Array.Empty<Operation>() : [new Operation.EndHold(reference.Tag)],
        ];
        var digest = new[] { tag.Live, tag.UpstreamDigest, tag.Held?.Digest ?? default }.First(d => !d.IsEmpty);
        return await RemoveAsync(caller, new([.. removal]), digest, cancellationToken) ?? Moving(digest);
    }

    private static Answer<Digest> NotThere<T>(Result<T> result) => result is Result<T>.Unavailable no
        ? new Answer<Digest>.Unavailable(no.RetryAfter, no.Why, no.Handling)
        : new Answer<Digest>.Absent(CacheHandling.Local);

    private async ValueTask<Answer<Digest>> DeleteByDigestAsync(Caller caller, Digest digest, CancellationToken cancellationToken)
    {
        var read = await backing.ReadManifestAsync(digest, cancellationToken);
        if (read is not Result<StoredManifest>.Found { Value: var manifest })
        {
            // A link without readable bytes can still be removed.
            return await backing.ReadLinkAsync(digest, LinkKind.Manifest, cancellationToken) is null
                ? NotThere(read)
                : await RemoveAsync(caller, new([new Operation.RemoveManifest(digest)]), digest, cancellationToken) ?? Moving(digest);
        }
        if (judge.Engine.AdmitsEverything)
            return await RemoveAsync(caller, new([new Operation.RemoveManifest(digest)]), digest, cancellationToken) ?? Moving(digest);
        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            if (await TryDeleteAsync(caller, manifest, cancellationToken) is { } answer) return answer;
        }
        return new Answer<Digest>.Unavailable(
            TimeSpan.FromSeconds(1), $"the evidence in {Name} keeps changing; delete {digest} again", CacheHandling.Local);
    }

    /// <summary>Null when what rests on the manifest has changed before the commit.</summary>
    private async ValueTask<Answer<Digest>?> TryDeleteAsync(Caller caller, StoredManifest manifest, CancellationToken cancellationToken)
    {
        var digest = manifest.Digest;
        var subjects = ManifestKinds.HasFormOfEvidence(manifest.Manifest) ? await backing.SubjectsOfAsync(digest) : [];
        var resting = await RestingOnAsync(manifest, subjects, cancellationToken);
        if (subjects.Count > 0 && !caller.MayAdmin && await InUseAsync(resting.Keys, digest, cancellationToken) is { } inUse)
            return new Answer<Digest>.Refused(
                judge.Decide(inUse, Stage.Push, Name, digest.ToString(), digest, caller), CacheHandling.Local);
        var said = await SaidOfAsync(resting.Keys, cancellationToken);
        var removal = new Change([.. Unknown(resting.Keys.Union(said).Where(d => d != digest)), new Operation.RemoveManifest(digest)])
        {
            Subjects = [.. resting.Select(r => (r.Key, r.Value))],
        };
        return await RemoveAsync(caller, removal, digest, cancellationToken);
    }

    /// <summary>What leaves verdicts to be asked for again.</summary>
    private static IEnumerable<Operation> Unknown(IEnumerable<Digest> manifests) =>
        manifests.Select(d => new Operation.SetVerdict(d, default));

    /// <summary>What was pushed about these, and was shown with them: whether it still is, is asked again.</summary>
    private async ValueTask<HashSet<Digest>> SaidOfAsync(IEnumerable<Digest> subjects, CancellationToken cancellationToken)
    {
        var said = new HashSet<Digest>();
        foreach (var subject in judge.Engine.AdmitsEverything ? [] : subjects.Where(d => !d.IsEmpty))
        {
            var noted = await backing.EvidenceAsync(subject, cancellationToken);
            foreach (var one in noted is Result<IReadOnlyList<Digest>>.Found { Value: var all } ? all.Where(backing.IsPushed) : [])
            {
                var link = await backing.ReadLinkAsync(one, LinkKind.Manifest, cancellationToken);
                if (link is { Verdict.Revision: not 0 }) said.Add(one);
            }
        }
        return said;
    }

    /// <summary>
    /// A refusal, where pullers have one of these manifests for the sake of this evidence: what was admitted stays explained, and there.
    /// </summary>
    private async ValueTask<Verdict?> InUseAsync(IEnumerable<Digest> resting, Digest evidence, CancellationToken cancellationToken)
    {
        // What rests on it in other repositories is not known here.
        if (InUseElsewhere(evidence.ToString()) is { } elsewhere) return elsewhere;
        foreach (var digest in resting)
        {
            if (await backing.ReadLinkAsync(digest, LinkKind.Manifest, cancellationToken) is null
                || await backing.ReadManifestAsync(digest, cancellationToken) is not Result<StoredManifest>.Found { Value: var manifest })
                continue;
            var closure = await judge.ReadAsync(backing, manifest, null, cancellationToken);
            TagName?[] asked = [null, .. await backing.TagsOfAsync(digest).Select(t => (TagName?)t).ToArrayAsync(cancellationToken)];
            foreach (var tag in asked)
            {
                var verdict = await judge.AskAsync(closure, Name, Stage.Pull, tag, cancellationToken);
                if (verdict.Admits && verdict.Evidence.Any(e => e.Verified && e.Repository is null && e.Digest == evidence))
                    return Denied("EVIDENCE_IN_USE", $"{evidence} is why {digest} is admitted in {Name}; delete {digest} first");
            }
        }
        return null;
    }

    private Verdict? InUseElsewhere(string evidence) => !judge.IsSignatureRepository(Name) ? null : Denied(
        "EVIDENCE_IN_USE",
        $"{Name} is a signature repository: images of other repositories may be admitted by {evidence}; "
        + "expected the right admin here to delete it");

    /// <summary>
    /// Whose verdict may rest on a manifest, with its version before that was looked at: what it is evidence about, under every name, with
    /// all above and below that, and what it is above.
    /// </summary>
    private async ValueTask<Dictionary<Digest, long>> RestingOnAsync(
        StoredManifest manifest, IReadOnlyList<Digest> subjects, CancellationToken cancellationToken)
    {
        var resting = new Dictionary<Digest, long>();
        foreach (var subject in subjects) Add(subject);
        List<Digest> named = [manifest.Digest];
        foreach (var subject in subjects) named.AddRange(await backing.NamesOfAsync(subject, cancellationToken));
        foreach (var name in named)
        {
            Add(name);
            foreach (var index in await backing.IndexesOfAsync(name)) Add(index);
            var read = await backing.ReadManifestAsync(name, cancellationToken);
            if (read is not Result<StoredManifest>.Found { Value: { IsStored: true } stored }) continue;
            foreach (var (below, _) in (await judge.ReadAsync(backing, stored, null, cancellationToken)).Descendants) Add(below);
        }
        resting.Remove(manifest.Digest);
        return resting;

        void Add(Digest digest) => resting.TryAdd(digest, backing.VersionOf(digest));
    }

    public async ValueTask<Answer<Digest>> DeleteBlobAsync(Caller caller, Digest digest, CancellationToken cancellationToken)
    {
        if (RefuseChange<Digest>(caller, AccessActions.Delete) is { } refusal) return refusal;
        var found = await backing.FindBlobAsync(digest, cancellationToken);
        if (found is not Result<Link>.Found) return NotThere(found);
        var removal = new Change([new Operation.RemoveBlob(digest)]);
        if (judge.Engine.AdmitsEverything) return await RemoveAsync(caller, removal, digest, cancellationToken) ?? Moving(digest);
        if (!caller.MayAdmin)
        {
            await foreach (var (evidence, resting) in RestingOnBlobAsync(digest, cancellationToken))
            {
                if (await InUseAsync(resting, evidence, cancellationToken) is { } inUse)
                    return new Answer<Digest>.Refused(
                        judge.Decide(inUse, Stage.Push, Name, digest.ToString(), digest, caller), CacheHandling.Local);
            }
        }
        var answer = await RemoveAsync(caller, removal, digest, cancellationToken) ?? Moving(digest);
        if (answer is not Answer<Digest>.Found) return answer;
        // After it: evidence may have been pushed meanwhile, and none that names the blob can be pushed any more.
        var unknown = new HashSet<Digest>();
        await foreach (var (_, resting) in RestingOnBlobAsync(digest, cancellationToken)) unknown.UnionWith(resting);
        unknown.UnionWith(await SaidOfAsync([.. unknown], cancellationToken));
        return unknown.Count == 0 ? answer : await WriteAsync<Digest>(async () =>
        {
            await backing.CommitAsync(new([.. Unknown(unknown)]), cancellationToken);
            return answer;
        });
    }

    /// <summary>The evidence that says what it says by this blob, whoever else names it, and whose verdicts may rest on that.</summary>
    private async IAsyncEnumerable<(Digest Evidence, Dictionary<Digest, long>.KeyCollection Resting)> RestingOnBlobAsync(
        Digest blob, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var digest in backing.ManifestsAsync().WithCancellation(cancellationToken))
        {
            if (await backing.ReadManifestAsync(digest, cancellationToken) is not Result<StoredManifest>.Found { Value: var manifest }
                || !ManifestKinds.HasFormOfEvidence(manifest.Manifest) || manifest.Manifest.Blobs.All(b => b.Digest != blob))
                continue;
            var subjects = await backing.SubjectsOfAsync(digest);
            yield return (digest, (await RestingOnAsync(manifest, subjects, cancellationToken)).Keys);
        }
    }

    private Answer<Digest> Moving(Digest digest) => new Answer<Digest>.Unavailable(
        TimeSpan.FromSeconds(1), $"{Name} is being changed; delete {digest} again", CacheHandling.Local);

    /// <summary>Null when something that the removal rests on has changed.</summary>
    private async ValueTask<Answer<Digest>?> RemoveAsync(
        Caller caller, Change removal, Digest digest, CancellationToken cancellationToken)
    {
        var isOutdated = false;
        var answer = await WriteAsync<Digest>(async () =>
        {
            var result = await backing.CommitAsync(By(caller, removal), cancellationToken);
            isOutdated = result is not (CommitResult.Committed or CommitResult.Superseded);
            return result is CommitResult.Superseded
                ? new Answer<Digest>.Superseded()
                : new Answer<Digest>.Found(digest, CacheHandling.Local);
        });
        return isOutdated ? null : answer;
    }
}
