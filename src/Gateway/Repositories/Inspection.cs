using Gateway.Access;
using Gateway.Configuration;
using Gateway.Policy;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// Reads one repository for people who look at it, without effect: no verdict is noted, no decision is recorded and no use is counted. The
/// caller gives it a gate over stored content, so that no upstream is asked.
/// </summary>
/// <param name="takesPushes">Whether clients may push to it.</param>
/// <param name="verdicts">Verdicts of earlier inspections under the same policy.</param>
internal sealed class Inspection(IBacking backing, Evaluator evaluator, bool takesPushes, VerdictCache verdicts)
{
    // Chosen: most repositories have fewer tags. Each one may need a small file to be read.
    private const int MostNames = 5000;

    private const int NamesAtOnce = 1000;

    public RepositoryName Name => evaluator.Name;

    /// <summary>The policy in force; null for none.</summary>
    public PolicyOptions? Policy => evaluator.Engine.Policy;

    /// <summary>
    /// Whether the caller sees content that the policy hides from pullers: it has an account and may push here, or it administers the
    /// repository.
    /// </summary>
    public bool SeesHidden(Caller caller) => caller.Rights.HasFlag(AccessActions.Admin)
        || (takesPushes && caller.MayPush && caller.Actor != Caller.Anonymous);

    /// <summary>The held pushes that have not expired, by tag; of two for one tag, the later one.</summary>
    public Dictionary<TagName, HeldPush> HeldPushes()
    {
        var now = evaluator.Now;
        return backing.HeldPushes().Where(held => held.Expires > now).GroupBy(static held => held.Tag)
            .ToDictionary(static group => group.Key, static group => group.MaxBy(static held => held.Sequence)!);
    }

    /// <summary>What a tag is bound to here; empty when it is not bound.</summary>
    public Digest LiveOf(TagName tag) => backing.LiveOf(tag);

    /// <summary>A stored manifest; null when the repository does not have it.</summary>
    public ValueTask<StoredManifest?> ReadAsync(Digest digest, CancellationToken cancellationToken) =>
        backing.ReadLinkedAsync(digest, cancellationToken);

    /// <summary>When the manifest was first seen here; null when that is not known.</summary>
    public ValueTask<DateTimeOffset?> FirstSeenAsync(Digest digest) => backing.FirstSeenAsync(digest);

    /// <summary>The earlier digests of a tag, the latest first; empty when they are not noted.</summary>
    public IReadOnlyList<Digest> EarlierOf(TagName tag) => backing.EarlierOf(tag);

    /// <summary>
    /// The verdict of a stored manifest at a stage. For a pull it is the one that a client would get: what is about a held manifest is held
    /// with it.
    /// </summary>
    public async ValueTask<Verdict> VerdictAsync(StoredManifest manifest, TagName? tag, Stage stage, CancellationToken cancellationToken)
    {
        var verdict = await OfManifestAsync(manifest, tag, stage, cancellationToken);
        // As in a pull: an index under a tag of evidence is hidden as long as its subject is.
        return stage == Stage.Pull && verdict.Admits && tag is { } named && manifest.Manifest.IsIndex
            ? await HeldAsync(EvidenceNotes.SubjectOf(named, manifest.Digest), cancellationToken) ?? verdict
            : verdict;
    }

    /// <summary>Whether pullers see the name of a tag: a tag of evidence about a held manifest contains its digest.</summary>
    public async ValueTask<bool> ShowsNameAsync(TagName tag, CancellationToken cancellationToken) =>
        EvidenceTag.Parse(tag) is not { } evidence || await HeldAsync(evidence.Subject, cancellationToken) is null;

    private ValueTask<Verdict?> HeldAsync(Digest subject, CancellationToken cancellationToken) => evaluator.TryHeldSubjectAsync(
        subject, stored => OfManifestAsync(stored, null, Stage.Pull, cancellationToken), cancellationToken);

    /// <summary>The verdict of a manifest and of its subjects. It is cached until something that it rests on changes.</summary>
    private async ValueTask<Verdict> OfManifestAsync(
        StoredManifest manifest, TagName? tag, Stage stage, CancellationToken cancellationToken)
    {
        if (evaluator.Engine.AdmitsEverything) return new(Outcome.Allow, 0, []);
        var (key, basis) = (new VerdictKey(evaluator.Name, manifest.Digest, tag, stage), evaluator.CurrentBasis());
        if (verdicts.Find(key, basis, backing.Lost, evaluator.Now) is { } known) return known;
        return await verdicts.SeekAsync(key, basis, SeekAsync, cancellationToken);

        async Task<Verdict> SeekAsync()
        {
            var began = evaluator.Clock.GetTimestamp();
            var closure = await evaluator.ReadAsync(manifest, CancellationToken.None);
            var (found, isLasting) = (await evaluator.TryAsync(closure, stage, tag, CancellationToken.None), true);
            if (stage == Stage.Pull)
            {
                (found, isLasting) = await evaluator.TryWithSubjectsAsync(
                    manifest, found, stored => OfManifestAsync(stored, null, Stage.Pull, CancellationToken.None),
                    CancellationToken.None);
            }
            if (isLasting && found.Unknown is null) verdicts.Add(key, basis, found, evaluator.Now, evaluator.Clock.GetElapsedTime(began));
            return found;
        }
    }

    /// <summary>The manifests that may be evidence about a manifest, newest first.</summary>
    public async ValueTask<IReadOnlyList<Digest>> EvidenceAsync(Digest subject, CancellationToken cancellationToken) =>
        await backing.EvidenceAsync(subject, cancellationToken) is Result<IReadOnlyList<Digest>>.Found { Value: var found } ? found : [];

    /// <summary>
    /// The tags that are bound to some manifests, at most this many, in order. The second value tells whether there may be more: the
    /// repository has more than <see cref="MostNames"/> tags, or more of these manifests.
    /// </summary>
    public async ValueTask<(List<(TagName Tag, Digest Digest)> Tags, bool HasMore)> TagsOfAsync(
        IReadOnlySet<Digest> digests, int most, CancellationToken cancellationToken)
    {
        var (found, looked) = (new List<(TagName, Digest)>(), 0);
        string? last = null;
        while (await backing.TagsAfterAsync(last, NamesAtOnce, cancellationToken) is Result<Page<TagName>>.Found { Value: var page })
        {
            foreach (var tag in page.Items)
            {
                if (looked++ == MostNames) return (found, true);
                last = tag.Value;
                if (backing.LiveOf(tag) is not { IsEmpty: false } live || !digests.Contains(live)) continue;
                if (found.Count == most) return (found, true);
                found.Add((tag, live));
            }
            if (!page.More || page.Items.Count == 0) break;
        }
        return (found, false);
    }

    /// <summary>The digests of every stored manifest, in no order.</summary>
    public IAsyncEnumerable<Digest> ManifestsAsync() => backing.ManifestsAsync();

    /// <summary>The bytes of a blob; null when it is absent, larger than the limit, or cannot be read now.</summary>
    public async ValueTask<byte[]?> ReadBlobAsync(Digest digest, int most, CancellationToken cancellationToken)
    {
        try
        {
            if (await backing.OpenBlobAsync(digest, BlobUse.Here, cancellationToken) is not Result<IContent>.Found { Value: var opened })
                return null;
            await using var content = opened;
            return await content.ReadAsync(most, cancellationToken);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
