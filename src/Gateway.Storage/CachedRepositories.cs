using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>What is cached, by the repositories of upstreams that it came from: read from the disk when an operator asks.</summary>
public sealed class CachedRepositories(Volume volume)
{
    /// <summary>A repository under the cached root; <paramref name="Upstream"/> is the upstream's folder, which is its key.</summary>
    public readonly record struct Entry(string Upstream, RepositoryName Name)
    {
        /// <inheritdoc/>
        public override string ToString() => $"{Upstream}/{Name}";
    }

    /// <summary>All repositories that have something, in no order.</summary>
    public IEnumerable<Entry> All()
    {
        var top = volume.CachedRoot.Repositories;
        foreach (var upstream in Disk.FoldersIn(top))
        {
            var folders = new Stack<string>(Disk.FoldersIn(upstream));
            while (folders.TryPop(out var folder))
            {
                var children = Disk.FoldersIn(folder).Select(child => Path.GetFileName(child)).ToArray();
                if ((children.Any(child => child is "_manifests" or "_layers") || Disk.HasFolder($"{folder}/_gateway/listed"))
                    && RepositoryName.TryParse(Path.GetRelativePath(upstream, folder), out var name))
                    yield return new(Path.GetFileName(upstream), name);
                foreach (var child in children.Where(child => !child.StartsWith('_')).Select(child => Path.Combine(folder, child)))
                {
                    if (Disk.IsWalked(child, top)) folders.Push(child);
                }
            }
        }
    }

    /// <summary>Whether anything is kept of what the upstream lists as referrers.</summary>
    public bool HasLists(Entry repository) =>
        Disk.HasFolder(volume.CachedRoot.Listed(volume.Cached(repository.Upstream, repository.Name).Path));

    /// <summary>What a repository links, each digest once.</summary>
    public IEnumerable<Digest> ContentOf(Entry repository)
    {
        var stored = volume.Cached(repository.Upstream, repository.Name);
        return stored.Manifests().Concat(stored.Blobs()).Distinct();
    }

    /// <summary>Bytes that are cached of a repository; what several share counts for each.</summary>
    public long BytesOf(Entry repository) => ContentOf(repository).Sum(BytesOf);

    /// <summary>Bytes that the cache has of some content, and of a fetch of it that was broken off.</summary>
    public long BytesOf(Digest digest) => (Disk.LengthOf(volume.CachedRoot.Data(digest)) ?? 0) + volume.Fetches.LengthOf(digest);

    /// <summary>Removes the bytes of some content, and what a fetch of it left behind. Returns how many went.</summary>
    public long RemoveBytes(Digest digest)
    {
        var part = volume.Fetches.LengthOf(digest);
        volume.Fetches.Remove(digest);
        return volume.Eviction.Purge(digest) + part;
    }

    /// <summary>
    /// What a manifest of a repository stands for: itself, its blobs, and for an index its children with theirs, as far as they are here.
    /// </summary>
    public IReadOnlyCollection<Digest> ClosureOf(Entry repository, Digest digest)
    {
        var stored = volume.Cached(repository.Upstream, repository.Name);
        var found = new HashSet<Digest>();
        var open = new Stack<Digest>([digest]);
        while (open.TryPop(out var next))
        {
            if (!found.Add(next) || stored.ReadManifest(next) is not { Manifest: var manifest }) continue;
            found.UnionWith(manifest.Blobs.Select(blob => blob.Digest));
            foreach (var child in manifest.Children) open.Push(child.Digest);
        }
        return found;
    }

    /// <summary>
    /// Takes content out of a repository, links and bytes, and the tags that are bound to it; the bytes also where another repository has
    /// them, for which they are a plain miss then. Returns the bytes that went. Who is reading reads on.
    /// </summary>
    public async Task<long> RemoveAsync(Entry repository, IReadOnlyCollection<Digest> contents, CancellationToken cancellationToken)
    {
        var stored = volume.Cached(repository.Upstream, repository.Name);
        foreach (var digest in contents)
        {
            if (volume.Links.Find(stored, LinkKind.Manifest, digest) is not null)
                await stored.CommitAsync(new([new Operation.RemoveManifest(digest)]), cancellationToken);
            if (volume.Links.Find(stored, LinkKind.Blob, digest) is not null)
                await stored.CommitAsync(new([new Operation.RemoveBlob(digest)]), cancellationToken);
        }
        return contents.Sum(RemoveBytes);
    }

    /// <summary>Takes everything out of a repository, and unbinds its tags.</summary>
    public async Task<long> RemoveAllAsync(Entry repository, CancellationToken cancellationToken)
    {
        var contents = ContentOf(repository).ToArray();
        var stored = volume.Cached(repository.Upstream, repository.Name);
        // Tags first: a manifest's removal looks for its tags among all that are left.
        foreach (var tag in stored.Tags())
            await stored.CommitAsync(new([new Operation.RemoveTag(tag)]), cancellationToken);
        var removed = await RemoveAsync(repository, contents, cancellationToken);
        await stored.CommitAsync(new([new Operation.RemoveAllEvidence(), new Operation.RemoveEmpty()]), cancellationToken);
        return removed;
    }
}
