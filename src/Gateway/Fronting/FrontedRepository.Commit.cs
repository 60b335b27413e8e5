using System.Collections.Immutable;
using Gateway.Storage;

namespace Gateway.Fronting;

/// <summary>Commits a change: stages it, notes it in the cached root, or forwards it to the upstream first.</summary>
internal sealed partial class FrontedRepository
{
    public override async ValueTask<CommitResult> CommitAsync(Change change, CancellationToken cancellationToken)
    {
        if (change.IsFetched) return await pulled.CommitAsync(change, cancellationToken);
        if (IsUpload(change)) return await staged.CommitAsync(change, cancellationToken);
        if (change.Operations.Any(IsRemoval)) return await RemoveAsync(change, cancellationToken);
        var reader = new PublicationReader(
            staged, d => IsCached(LinkKind.Manifest, d) || IsOnItsWay(d), d => pulled.ReadManifestAsync(d, cancellationToken), change);
        var publication = await reader.ReadAsync();
        if (publication.IsEmpty) return await StoreAsync(change, cancellationToken);
        if (wakeLater is not null)
        {
            using var place = await forwarder.TakeTurnAsync(cancellationToken);
            return Refuse(change) ?? Counted(change, await PublishLaterAsync(change, publication));
        }
        // Blobs take the most time and need no order, so they are sent without a turn.
        if (await forwarder.SendBlobsAsync(publication, cancellationToken) is { } lacking) return new CommitResult.Missing(lacking);
        using var turn = await forwarder.TakeTurnAsync(cancellationToken);
        return Refuse(change) ?? Counted(change, await PublishAsync(change, publication));
    }

    /// <summary>Counts what has been added, before the turn ends.</summary>
    private CommitResult Counted(Change change, CommitResult result)
    {
        if (result is CommitResult.Committed) staged.CountAdded(change.Room);
        return result;
    }

    private static bool IsUpload(Change change) => change.Operations is [Operation.LinkBlob { Upload: not null }];

    private static bool IsRemoval(Operation operation) =>
        operation is Operation.RemoveTag or Operation.RemoveManifest or Operation.RemoveBlob;

    /// <summary>Commits a change that is not forwarded to the upstream.</summary>
    private async ValueTask<CommitResult> StoreAsync(Change change, CancellationToken cancellationToken)
    {
        // A pull that only writes notes does not wait for pushes.
        using var turn = change.Operations.All(IsNote) ? null : await forwarder.TakeTurnAsync(cancellationToken);
        var versions = change.Subjects
            .Select(s => (s.Subject, Here: staged.VersionOf(s.Subject), There: cached.VersionOf(s.Subject)))
            .ToArray();
        if (Refuse(change) is { } refusal) return refusal;
        var (here, there) = await SplitAsync(change, arrived: [], staying: []);
        // Staged content is durable when this method returns; the notes in the cached root need not be.
        CommitResult result = new CommitResult.Committed(0);
        if (!here.IsEmpty)
        {
            var needs = change.Needs.Where(n => IsStaged(n.Kind, n.Digest));
            result = await staged.CommitAsync(
                new(here)
                {
                    Needs = [.. needs], Subjects = [.. versions.Select(v => (v.Subject, v.Here))], Committed = change.Committed,
                },
                cancellationToken);
        }
        if (result is CommitResult.Committed && !there.IsEmpty)
            result = await cached.CommitAsync(new(there) { Subjects = [.. versions.Select(v => (v.Subject, v.There))] }, cancellationToken);
        return Counted(change, result);
    }

    private static bool IsNote(Operation operation) =>
        operation is Operation.SetVerdict or Operation.AddEvidence or Operation.LinkBlob or Operation.Seen;

    /// <summary>Forwards everything to the upstream before it changes anything here. After that, only the volume can fail.</summary>
    private async ValueTask<CommitResult> PublishAsync(Change change, Publication publication)
    {
        if (Waiting.Any())
        {
            throw new NotForwardedException(
                "earlier pushes to this repository are not forwarded to its upstream yet; push again later", null);
        }
        await forwarder.SendManifestsAsync(publication);
        var (here, there) = await SplitAsync(change, publication.Digests, staying: []);
        return await ArriveAsync(publication, there, here, change.Committed);
    }

    /// <summary>
    /// Records that the upstream has the publication: it becomes cached content, validated just now, and is no longer staged.
    /// </summary>
    /// <param name="there">Further operations on the cached root.</param>
    /// <param name="here">Further operations on the staged root.</param>
    /// <param name="committed">See <see cref="Change.Committed"/>.</param>
    private async ValueTask<CommitResult> ArriveAsync(
        Publication publication, ImmutableArray<Operation> there, ImmutableArray<Operation> here, Action<long>? committed = null)
    {
        foreach (var blob in publication.Blobs.Where(b => IsStaged(LinkKind.Blob, b.Digest)))
            await content.GiveToCacheAsync(blob.Digest, blob.Size, CancellationToken.None);
        CommitResult result = new CommitResult.Committed(0);
        if (!publication.IsEmpty)
        {
            result = await pulled.CommitAsync(
                new([.. publication.Manifests.SelectMany(Moving), .. there])
                {
                    IsFetched = true, IsForwarded = true, Committed = committed,
                },
                CancellationToken.None);
        }
        await ClearAsync(publication, here);
        return result;
    }

    /// <summary>
    /// Why a change must not be made; null if all its expectations hold. They hold until the change ends, because changes take turns.
    /// </summary>
    private CommitResult? Refuse(Change change)
    {
        if (change.IsStillAllowed is { } isAllowed && !isAllowed()) return new CommitResult.Superseded();
        foreach (var expected in change.Expectations)
        {
            var offer = staged.Live(expected.Tag)?.Held?.Sequence ?? 0;
            if (LiveOf(expected.Tag) is var live && (live != expected.Live || (expected.HeldSequence is { } sequence && offer != sequence)))
                return new CommitResult.TagMoved(expected, live);
        }
        if (change.Room is { } room && Additions - room.At > room.Spare) return new CommitResult.Outdated(default);
        foreach (var (subject, version) in change.Subjects)
        {
            if (VersionOf(subject) != version) return new CommitResult.Outdated(subject);
        }
        return null;
    }

    /// <summary>Splits a change into operations on the staged root and operations on the cached root.</summary>
    /// <param name="arrived">Manifests of the change that the upstream has received.</param>
    /// <param name="staying">Manifests that stay staged, in addition to those that the change stores.</param>
    private async ValueTask<(ImmutableArray<Operation> Here, ImmutableArray<Operation> There)> SplitAsync(
        Change change, ImmutableHashSet<Digest> arrived, ImmutableHashSet<Digest> staying)
    {
        var brought = change.Operations.OfType<Operation.StoreManifest>().Select(o => o.Digest).ToHashSet();
        var (here, there) = (ImmutableArray.CreateBuilder<Operation>(), ImmutableArray.CreateBuilder<Operation>());
        foreach (var operation in change.Operations)
        {
            var isHere = StagedOperations.IsStaged(operation, StaysHere, anyArrived: !arrived.IsEmpty);
            if (operation is Operation.LinkBlob blob && isHere)
            {
                // A held push does not stage blobs that the upstream already has.
                var isOnlyHere = !IsCached(LinkKind.Blob, blob.Digest)
                    && await content.FindAsync(blob.Digest, blob.Size, CancellationToken.None) is not null;
                if (isOnlyHere || IsStaged(LinkKind.Blob, blob.Digest)) here.Add(operation);
                continue;
            }
            (isHere ? here : there).Add(operation);
        }
        return (here.ToImmutable(), there.ToImmutable());

        bool StaysHere(Digest manifest) =>
            !arrived.Contains(manifest)
            && (brought.Contains(manifest) || staying.Contains(manifest) || IsStaged(LinkKind.Manifest, manifest));
    }

    /// <summary>
    /// The operations that move a staged manifest with its notes to the cached root; those of the change itself follow them.
    /// </summary>
    private IEnumerable<Operation> Moving(Published published)
    {
        var (manifest, digest) = (published.Manifest, published.Manifest.Digest);
        if (staged.FirstSeen(digest) is { } seen) yield return new Operation.Seen(digest, seen);
        foreach (var blob in manifest.Manifest.AllBlobs.Where(b => b.Urls.IsEmpty))
        {
            // With a parent, the link outlives an eviction of the blob: without it, pullers would get 404 for a blob that the upstream has.
            var parent = staged.FindLink(LinkKind.Blob, blob.Digest)?.Parent ?? default;
            yield return new Operation.LinkBlob(blob.Digest, blob.Size) { Parent = parent.IsEmpty ? digest : parent };
        }
        yield return new Operation.StoreManifest(digest, manifest.Bytes);
        if (staged.FindLink(LinkKind.Manifest, digest) is { Verdict: { Revision: not 0 } verdict })
            yield return new Operation.SetVerdict(digest, verdict);
        if (manifest.Manifest.Subject is { } subject) yield return new Operation.AddReferrer(subject.Digest, manifest.AsReferrer());
        foreach (var about in EvidenceNotes.SubjectsOf(staged, digest)) yield return new Operation.AddEvidence(about, digest);
        foreach (var tag in published.Tags) yield return new Operation.SetLive(tag, digest);
    }

    /// <summary>Removes forwarded content from the staged root, except what other staged content still needs.</summary>
    private async ValueTask ClearAsync(Publication publication, ImmutableArray<Operation> here)
    {
        var number = here.OfType<Operation.Forwarded>().Select(o => o.Number).FirstOrDefault();
        var untagged = publication.Manifests.SelectMany(m => m.Tags.Where(t => IsLast(t, m.Manifest.Digest, number)));
        Operation[] first = [.. here, .. untagged.Select(t => new Operation.RemoveTag(t))];
        if (first.Length > 0) await staged.CommitAsync(new([.. first]), CancellationToken.None);
        var needed = StagedContent.Needed(staged, forwarder.Now);
        Operation[] manifests =
        [
            .. publication.Digests.Where(d => !needed.Contains(d) && IsStaged(LinkKind.Manifest, d))
                .Select(d => new Operation.RemoveManifest(d)),
        ];
        if (manifests.Length > 0) await staged.CommitAsync(new([.. manifests]), CancellationToken.None);
        var named = StagedContent.BlobsOf(staged, staged.Manifests());
        Operation[] blobs =
        [
            .. publication.Blobs.Where(b => !named.Contains(b.Digest) && IsStaged(LinkKind.Blob, b.Digest))
                .Select(b => new Operation.RemoveBlob(b.Digest)),
        ];
        if (blobs.Length > 0) await staged.CommitAsync(new([.. blobs]), CancellationToken.None);
    }
}
