namespace Gateway.Storage;

/// <summary>The cached content by repository of each upstream. It is read from the disk when an operator asks for it.</summary>
public sealed class CachedRepositories
{
    // A repository that stores manifests all the time keeps a link or two for that, until the next purge.
    private const int MaxAttempts = 4;

    private readonly Root _root;
    private readonly StoredRepositories _repositories;
    private readonly FetchFiles _fetches;
    private readonly Eviction _eviction;

    internal CachedRepositories(Root root, StoredRepositories repositories, FetchFiles fetches, Eviction eviction) =>
        (_root, _repositories, _fetches, _eviction) = (root, repositories, fetches, eviction);

    /// <summary>A repository under the cached root; <paramref name="Upstream"/> is the upstream's folder, which is its key.</summary>
    public readonly record struct Entry(string Upstream, RepositoryName Name)
    {
        /// <inheritdoc/>
        public override string ToString() => $"{Upstream}/{Name}";
    }

    /// <summary>All repositories that are not empty, in no order.</summary>
    public IEnumerable<Entry> All() => In(_root);

    internal static IEnumerable<Entry> In(Root root)
    {
        var top = root.Repositories;
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

    /// <summary>Whether a list of referrers from the upstream is stored.</summary>
    public bool HasLists(Entry repository) =>
        Disk.HasFolder(_root.Listed(repository.ToString()));

    /// <summary>The digests that a repository links, each once.</summary>
    public IEnumerable<Digest> ContentOf(Entry repository)
    {
        var stored = _repositories.Cached(repository.Upstream, repository.Name);
        return stored.Manifests().Concat(stored.Blobs()).Distinct();
    }

    /// <summary>The digest that a reference means in a repository; empty for a tag that is not bound.</summary>
    public Digest DigestOf(Entry repository, Reference reference) => reference.IsDigest
        ? reference.Digest
        : _repositories.Cached(repository.Upstream, repository.Name).LiveOf(reference.Tag);

    /// <summary>Cached bytes of a repository. Content that repositories share counts for each of them.</summary>
    public long BytesOf(Entry repository) => ContentOf(repository).Sum(BytesOf);

    /// <summary>Cached bytes of some content, including those of an interrupted fetch.</summary>
    public long BytesOf(Digest digest) => (Disk.LengthOf(_root.Data(digest)) ?? 0) + _fetches.LengthOf(digest);

    /// <summary>Removes the bytes of some content, including those of an interrupted fetch. Returns the number of bytes removed.</summary>
    public long RemoveBytes(Digest digest)
    {
        var part = _fetches.LengthOf(digest);
        _fetches.Remove(digest);
        return _eviction.Purge(digest) + part;
    }

    /// <summary>
    /// The content that belongs to a manifest of a repository: the manifest, its blobs, and for an index its children with their blobs, as
    /// far as they are cached.
    /// </summary>
    public IReadOnlyCollection<Digest> ClosureOf(Entry repository, Digest digest)
    {
        var stored = _repositories.Cached(repository.Upstream, repository.Name);
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
    /// Purges content from a repository: links, bytes, and the tags that are bound to it. Manifests that stay keep the links of their
    /// blobs, because under a policy a blob without a link is unknown. They and other repositories that link the same bytes get a cache
    /// miss. Current readers are unaffected. Returns the number of bytes removed.
    /// </summary>
    public async Task<long> RemoveAsync(Entry repository, IReadOnlyCollection<Digest> contents, CancellationToken cancellationToken)
    {
        var stored = _repositories.Cached(repository.Upstream, repository.Name);
        foreach (var digest in contents.Where(digest => stored.FindLink(LinkKind.Manifest, digest) is not null))
            await stored.CommitAsync(new([new Operation.RemoveManifest(digest)]), cancellationToken);
        // A manifest that is stored meanwhile may name one of the blobs: then its link stays, like those that are needed already.
        for (var (attempt, isDone) = (1, false); !isDone && attempt <= MaxAttempts; attempt++)
        {
            var since = stored.State.Referrals;
            isDone = true;
            foreach (var blob in NotNeeded(stored, contents))
            {
                var change = new Change([new Operation.RemoveBlob(blob)]) { IsStillAllowed = () => stored.State.Referrals == since };
                isDone &= await stored.CommitAsync(change, cancellationToken) is CommitResult.Committed;
            }
        }
        return contents.Sum(RemoveBytes);
    }

    /// <summary>The blobs among some content that no manifest of a repository names.</summary>
    private static HashSet<Digest> NotNeeded(StoredRepository stored, IReadOnlyCollection<Digest> contents)
    {
        var blobs = contents.Where(digest => stored.FindLink(LinkKind.Blob, digest) is not null).ToHashSet();
        foreach (var manifest in stored.Manifests())
        {
            if (blobs.Count == 0) break;
            if (stored.ReadManifest(manifest) is { Manifest.Blobs: var needed })
                blobs.ExceptWith(needed.Select(static blob => blob.Digest));
        }
        return blobs;
    }

    /// <summary>Purges everything from a repository, and unbinds its tags.</summary>
    public async Task<long> RemoveAllAsync(Entry repository, CancellationToken cancellationToken)
    {
        var contents = ContentOf(repository).ToArray();
        var stored = _repositories.Cached(repository.Upstream, repository.Name);
        // Tags first: the removal of a manifest searches all remaining tags for its own.
        foreach (var tag in stored.Tags())
            await stored.CommitAsync(new([new Operation.RemoveTag(tag)]), cancellationToken);
        var removed = await RemoveAsync(repository, contents, cancellationToken);
        await stored.CommitAsync(new([new Operation.RemoveAllEvidence(), new Operation.RemoveEmpty()]), cancellationToken);
        return removed;
    }
}
