using System.Collections.Immutable;
using Gateway.Storage;

namespace Gateway.Fronting;

/// <summary>
/// Pushes that are answered before the upstream has them: they are durable and visible here at once, and are forwarded in their order.
/// </summary>
internal sealed partial class FrontedRepository
{
    /// <summary>
    /// Most pushes of one repository that wait to be forwarded. Chosen: hours of work of a busy team; each is a small file.
    /// </summary>
    public const int MaxWaiting = 1000;

    // An outage that filled the queue lasts longer than seconds.
    private static readonly TimeSpan RetryWhenFull = TimeSpan.FromMinutes(1);

    private IEnumerable<PendingForward> Waiting => staged.Forwards().Where(f => f.IsWaiting);

    /// <summary>Whether an accepted push with this manifest waits to be forwarded.</summary>
    private bool IsOnItsWay(Digest manifest) => Waiting.Any(f => f.Manifests.Contains(manifest));

    private async ValueTask<CommitResult> PublishLaterAsync(Change change, Publication publication)
    {
        if (Waiting.Count() >= MaxWaiting)
            throw new NotForwardedException(
                $"{MaxWaiting} pushes to this repository already wait for its upstream; push again when it answers", null, RetryWhenFull);
        foreach (var blob in publication.Blobs)
        {
            if (!IsStaged(LinkKind.Blob, blob.Digest) && !IsCached(LinkKind.Blob, blob.Digest)
                && await content.FindAsync(blob.Digest, blob.Size, CancellationToken.None) is null)
                return new CommitResult.Missing(blob.Digest);
        }
        var (here, there) = await SplitAsync(change, arrived: [], staying: publication.Digests);
        // Manifests that are only cached could be evicted before they are forwarded, so they are staged too.
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

    /// <summary>Forwards an accepted push, except what was deleted since. Throws <see cref="NotForwardedException"/>.</summary>
    public async Task DeliverAsync(PendingForward forward, CancellationToken cancellationToken)
    {
        if (await forwarder.SendBlobsAsync(await ReadAsync(forward, cancellationToken), cancellationToken) is { } lacking)
            throw new NotForwardedException($"blob {lacking} is no longer here or at the upstream; push it again", ForwardRefusal.NotFound);
        using var turn = await forwarder.TakeTurnAsync(cancellationToken);
        var publication = await ReadAsync(forward, cancellationToken);
        await forwarder.SendManifestsAsync(publication);
        await ArriveAsync(publication, [], [new Operation.Forwarded(forward.Sequence)]);
    }

    /// <summary>
    /// Gives up a push that the upstream refuses. It stays listed for a day. Its tags become what the upstream says, as all other clients
    /// of the upstream see them.
    /// </summary>
    public async Task GiveUpAsync(PendingForward forward, string why, CancellationToken cancellationToken)
    {
        using var turn = await forwarder.TakeTurnAsync(cancellationToken);
        var tags = forward.Tags.Where(t => IsLast(t.Tag, t.Digest, forward.Sequence)).Select(t => new Operation.RemoveTag(t.Tag));
        await staged.CommitAsync(new([new Operation.Forwarded(forward.Sequence, why), .. tags]), CancellationToken.None);
    }

    /// <summary>Whether this push bound the tag here, and no later push did.</summary>
    private bool IsLast(TagName tag, Digest digest, long sequence) =>
        staged.LiveOf(tag) == digest && !Waiting.Any(f => f.Sequence > sequence && f.Tags.Any(t => t.Tag == tag));

    private async Task<Publication> ReadAsync(PendingForward forward, CancellationToken cancellationToken)
    {
        var items = ImmutableArray.CreateBuilder<Published>();
        foreach (var digest in forward.Manifests)
        {
            // A client deleted the manifest after the push.
            if (!IsStaged(LinkKind.Manifest, digest) && !IsCached(LinkKind.Manifest, digest)) continue;
            if (await ReadManifestAsync(digest, cancellationToken) is not Result<StoredManifest>.Found { Value: var manifest }) continue;
            var tags = forward.Tags.Where(t => t.Digest == digest && !staged.LiveOf(t.Tag).IsEmpty).Select(t => t.Tag);
            items.Add(new(manifest, [.. tags], EvidenceNotes.SubjectsOf(staged, digest).Count > 0));
        }
        return new(items.ToImmutable());
    }
}
