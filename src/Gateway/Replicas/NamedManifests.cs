using Gateway.Configuration;
using Gateway.Storage;

namespace Gateway.Replicas;

/// <summary>
/// Tells other replicas which manifests that this one has stored name some content. A client that got a manifest here may ask another
/// replica for what it names; that replica then looks at the manifest itself, under its own policy (docs/design/0018-replicas.md).
/// </summary>
internal sealed class NamedManifests(
    StoredRepositories stored, Origins origins, ConfigurationInForce inForce, ReplicaOptions options, TimeProvider clock)
{
    /// <summary>
    /// Most digests that one replica names. Chosen: a blob's latest manifest and a few others, with their indexes; each may cost the asker
    /// a request to the upstream.
    /// </summary>
    public const int Most = 16;

    /// <summary>Most digests of all replicas together that are looked at. Chosen: two replicas may name different ones.</summary>
    public const int MostInAll = 2 * Most;

    /// <summary>The longest answer in bytes: <see cref="Most"/> digests of sha512 (136 bytes with the end of the line).</summary>
    public const int MostBytes = Most * 136;

    /// <summary>Most digests for one manifest: itself and the indexes above it.</summary>
    private const int MostInGroup = 8;

    /// <summary>
    /// The manifests that name a blob or manifest, and the indexes above those: an index before what it names, at most <see cref="Most"/>.
    /// The manifest that admitted the blob last comes first, also if it is not stored any more. Within half of <c>timeout</c>, because the
    /// asker waits no longer; then the rest is left out.
    /// </summary>
    /// <param name="upstream">An address of the upstream.</param>
    /// <param name="name">The upstream's own name of the repository.</param>
    public async Task<IReadOnlyList<Digest>> FindAsync(
        string upstream, RepositoryName name, Digest content, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(options.Timeout / 2, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var found = new List<Digest>();
        try
        {
            foreach (var each in inForce.Current.Upstreams.Values.Where(each => each.Urls.Any(url => url.AbsoluteUri == upstream)))
                await AddAsync(found, stored.Cached(origins.FolderOf(each.Key, each.Urls), name), content, both.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // What was found in time is told.
        }
        return [.. found.Distinct().Take(Most)];
    }

    private static async Task AddAsync(List<Digest> found, StoredRepository repository, Digest content, CancellationToken cancellationToken)
    {
        found.AddRange((await WithIndexesAsync(repository, content, cancellationToken)).Where(digest => digest != content));
        if (repository.FindLink(LinkKind.Blob, content) is not { } link) return;
        if (!link.Parent.IsEmpty) found.AddRange(await WithIndexesAsync(repository, link.Parent, cancellationToken));
        // The policy may refuse that one by now, and admit another one.
        await foreach (var digest in repository.ManifestsAsync().WithCancellation(cancellationToken))
        {
            // Neither the list nor a manifest in memory waits for anything, so nothing else ends a long list.
            cancellationToken.ThrowIfCancellationRequested();
            if (found.Count >= Most) return;
            if (digest == link.Parent) continue;
            var read = await repository.ReadManifestAsync(digest, cancellationToken);
            if (read is Result<StoredManifest>.Found { Value.Manifest: var manifest } && manifest.Blobs.Any(blob => blob.Digest == content))
                found.AddRange(await WithIndexesAsync(repository, digest, cancellationToken));
        }
    }

    /// <summary>A manifest after the indexes above it, which may admit it: the highest first.</summary>
    private static async Task<List<Digest>> WithIndexesAsync(
        StoredRepository repository, Digest manifest, CancellationToken cancellationToken)
    {
        List<Digest> group = [manifest];
        for (var i = 0; i < group.Count && group.Count < MostInGroup; i++)
        {
            // The first query of a repository reads all its manifests.
            var above = await repository.IndexesOfAsync(group[i]).AsTask().WaitAsync(cancellationToken);
            group.AddRange(above.Except(group).Where(index => repository.FindLink(LinkKind.Manifest, index) is not null)
                .Take(MostInGroup - group.Count).ToArray());
        }
        group.Reverse();
        return group;
    }
}
