using System.Collections.Immutable;
using Gateway.Oci;
using Gateway.Storage;

namespace Gateway.Fronting;

/// <summary>
/// Pushes that are answered before the upstream has them: durable here, seen here at once, and given to the upstream in their order.
/// </summary>
internal sealed partial class FrontedRepository
{
    /// <summary>Pushes of one repository that may wait for its upstream. Chosen: hours of a busy team's; each is a small file.</summary>
    public const int MaxWaiting = 1000;

    // An outage that filled the queue does not end in seconds.
    private static readonly TimeSpan RetryWhenFull = TimeSpan.FromMinutes(1);

    private IEnumerable<PendingForward> Waiting => staged.Forwards().Where(f => f.IsWaiting);

    /// <summary>Whether a push that was answered already is still to bring the upstream this manifest.</summary>
    private bool IsOnItsWay(Digest manifest) => Waiting.Any(f => f.Manifests.Contains(manifest));

    private async ValueTask<CommitResult> PublishLaterAsync(Change change, Publication publication)
    {
        if (Waiting.Count() >= MaxWaiting)
            throw new NotForwardedException(
                $"{MaxWaiting} pushes wait for the upstream of this repository already; push again when it answers", null, RetryWhenFull);
        foreach (var blob in publication.Blobs)
        {
            if (!IsStaged(LinkKind.Blob, blob.Digest) && !IsCached(LinkKind.Blob, blob.Digest)
                && volume.FindContent(blob.Digest, blob.Size) is null)
                return new CommitResult.Missing(blob.Digest);
        }
        var (here, there) = Split(change, arrived: [], staying: publication.Digests);
        // What was in the cache alone may be evicted before it is sent.
        var manifests = publication.Manifests.Select(m => m.Manifest).Where(m => !IsStaged(LinkKind.Manifest, m.Digest))
            .Select(m => new Operation.StoreManifest(m.Digest, m.Bytes));
        var forward = new Operation.Forward(
            [.. publication.Manifests.Select(m => m.Manifest.Digest)],
            [.. publication.Manifests.SelectMany(m => m.Tags.Select(t => (t, m.Manifest.Digest)))]);
        var result = await staged.CommitAsync(
            new([.. manifests, .. here, forward]) { Committed = change.Committed }, CancellationToken.None);
        if (!there.IsEmpty) await cached.CommitAsync(new(there), CancellationToken.None);
        wakeLater!();
        return result is CommitResult.Committed committed ? committed with { IsForwarding = true } : result;
    }

    /// <summary>
    /// Gives the upstream what a push left, as far as it was not deleted since. Throws <see cref="NotForwardedException"/>.
    /// </summary>
    public async Task DeliverAsync(PendingForward forward, CancellationToken cancellationToken)
    {
        if (await forwarder.SendBlobsAsync(await ReadAsync(forward, cancellationToken), cancellationToken) is { } lacking)
            throw new NotForwardedException($"blob {lacking} is neither here nor at the upstream any more", ForwardRefusal.NotFound);
        using var turn = await forwarder.TakeTurnAsync(cancellationToken);
        var publication = await ReadAsync(forward, cancellationToken);
        await forwarder.SendManifestsAsync(publication);
        await ArriveAsync(publication, [], [new Operation.Forwarded(forward.Sequence)]);
    }

    /// <summary>
    /// Gives up what the upstream refuses: it stays listed for a day, and its tags are what the upstream says, for that is what everybody
    /// else sees.
    /// </summary>
    public async Task GiveUpAsync(PendingForward forward, string why, CancellationToken cancellationToken)
    {
        using var turn = await forwarder.TakeTurnAsync(cancellationToken);
        var tags = forward.Tags.Where(t => IsLast(t.Tag, t.Digest, forward.Sequence)).Select(t => new Operation.RemoveTag(t.Tag));
        await staged.CommitAsync(new([new Operation.Forwarded(forward.Sequence, why), .. tags]), CancellationToken.None);
    }

    /// <summary>Whether a tag is bound here by this push, and by none that came after it.</summary>
    private bool IsLast(TagName tag, Digest digest, long sequence) =>
        staged.LiveOf(tag) == digest && !Waiting.Any(f => f.Sequence > sequence && f.Tags.Any(t => t.Tag == tag));

    private async Task<Publication> ReadAsync(PendingForward forward, CancellationToken cancellationToken)
    {
        var items = ImmutableArray.CreateBuilder<Published>();
        foreach (var digest in forward.Manifests)
        {
            // Its removal took it away here.
            if (!IsStaged(LinkKind.Manifest, digest) && !IsCached(LinkKind.Manifest, digest)) continue;
            if (await ReadManifestAsync(digest, cancellationToken) is not Result<StoredManifest>.Found { Value: var manifest }) continue;
            var tags = forward.Tags.Where(t => t.Digest == digest && !staged.LiveOf(t.Tag).IsEmpty).Select(t => t.Tag);
            items.Add(new(manifest, [.. tags], EvidenceNotes.SubjectsOf(staged, digest).Count > 0));
        }
        return new(items.ToImmutable());
    }
}
