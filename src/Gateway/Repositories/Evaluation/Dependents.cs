using System.Runtime.CompilerServices;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Finds the manifests whose verdicts may rest on a manifest or blob of the same repository.</summary>
internal sealed class Dependents(IBacking backing, Evaluator evaluator)
{
    /// <summary>
    /// The manifests whose verdicts may rest on a manifest, each with its version as it was before it was read. These are its subjects
    /// under every digest, all manifests above and below them, and all manifests below it.
    /// </summary>
    public async ValueTask<Dictionary<Digest, long>> OfManifestAsync(
        StoredManifest manifest, IReadOnlyList<Digest> subjects, CancellationToken cancellationToken)
    {
        var dependents = new Dictionary<Digest, long>();
        foreach (var subject in subjects) Add(subject);
        List<Digest> named = [manifest.Digest];
        foreach (var subject in subjects) named.AddRange(await backing.NamesOfAsync(subject, cancellationToken));
        foreach (var digest in named)
        {
            Add(digest);
            foreach (var index in await backing.IndexesOfAsync(digest)) Add(index);
            var read = await backing.ReadManifestAsync(digest, cancellationToken);
            if (read is not Result<StoredManifest>.Found { Value: { IsStored: true } stored }) continue;
            foreach (var (below, _) in (await evaluator.ReadAsync(stored, cancellationToken)).Descendants) Add(below);
        }
        dependents.Remove(manifest.Digest);
        return dependents;

        void Add(Digest digest) => dependents.TryAdd(digest, backing.VersionOf(digest));
    }

    /// <summary>The evidence that names a blob, and the manifests whose verdicts may rest on that evidence.</summary>
    public async IAsyncEnumerable<(Digest Evidence, Dictionary<Digest, long>.KeyCollection Dependents)> OfBlobAsync(
        Digest blob, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var digest in backing.ManifestsAsync().WithCancellation(cancellationToken))
        {
            if (await backing.ReadManifestAsync(digest, cancellationToken) is not Result<StoredManifest>.Found { Value: var manifest }
                || !ManifestKinds.HasFormOfEvidence(manifest.Manifest) || manifest.Manifest.Blobs.All(b => b.Digest != blob))
                continue;
            var subjects = await backing.SubjectsOfAsync(digest);
            yield return (digest, (await OfManifestAsync(manifest, subjects, cancellationToken)).Keys);
        }
    }

    /// <summary>
    /// The evidence about these manifests that was pushed here and has a noted verdict. Pullers see such evidence with its subject, so its
    /// verdict must be evaluated again when the subject's verdict may change.
    /// </summary>
    public async ValueTask<HashSet<Digest>> ShownEvidenceAsync(IEnumerable<Digest> subjects, CancellationToken cancellationToken)
    {
        var shown = new HashSet<Digest>();
        foreach (var subject in evaluator.Engine.AdmitsEverything ? [] : subjects.Where(d => !d.IsEmpty))
        {
            var noted = await backing.EvidenceAsync(subject, cancellationToken);
            foreach (var one in noted is Result<IReadOnlyList<Digest>>.Found { Value: var all } ? all.Where(backing.IsPushed) : [])
            {
                var link = await backing.ReadLinkAsync(one, LinkKind.Manifest, cancellationToken);
                if (link is { Verdict.Revision: not 0 }) shown.Add(one);
            }
        }
        return shown;
    }

    /// <summary>
    /// A refusal when pullers see one of these manifests because of this evidence; null otherwise. An admitted manifest keeps the evidence
    /// that explains why it is admitted.
    /// </summary>
    public async ValueTask<Verdict?> InUseAsync(IEnumerable<Digest> manifests, Digest evidence, CancellationToken cancellationToken)
    {
        // The gateway does not know which verdicts in other repositories rest on it.
        if (InUseElsewhere(evidence.ToString()) is { } elsewhere) return elsewhere;
        foreach (var digest in manifests)
        {
            if (await backing.ReadLinkedAsync(digest, cancellationToken) is not { } manifest) continue;
            var closure = await evaluator.ReadAsync(manifest, cancellationToken);
            TagName?[] asked = [null, .. await backing.TagsOfAsync(digest).Select(t => (TagName?)t).ToArrayAsync(cancellationToken)];
            foreach (var tag in asked)
            {
                var verdict = await evaluator.AskAsync(closure, Stage.Pull, tag, cancellationToken);
                if (verdict.Admits && verdict.Evidence.Any(e => e.Verified && e.Repository is null && e.Digest == evidence))
                    return evaluator.Deny(
                        "EVIDENCE_IN_USE", $"{digest} is admitted in {evaluator.Name} because of {evidence}; delete {digest} first");
            }
        }
        return null;
    }

    /// <summary>A refusal in a signature repository; null in any other.</summary>
    /// <param name="evidence">The digest or tag of the evidence.</param>
    public Verdict? InUseElsewhere(string evidence) => !evaluator.IsSignatureRepository ? null : evaluator.Deny(
        "EVIDENCE_IN_USE",
        $"{evaluator.Name} is a signature repository: images of other repositories may be admitted by {evidence}; "
        + "expected the right admin here to delete it");
}
