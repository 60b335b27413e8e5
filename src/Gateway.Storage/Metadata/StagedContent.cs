namespace Gateway.Storage;

/// <summary>
/// The content of the staged root, and the repositories that link it. Bytes without a link there are removed with the batch of changes that
/// removed the last one: the upstream has them, or no push needs them. It is read from the disk at the start. It is small, because staged
/// content is soon forwarded.
/// </summary>
public sealed class StagedContent
{
    /// <summary>How long content stays that no push has needed; a client that retries within this time finds its blobs here.</summary>
    public static readonly TimeSpan KeptFor = TimeSpan.FromDays(1);

    private readonly Root _root;
    private readonly IContentStore _store;
    private readonly Root _cachedRoot;
    private readonly Eviction _eviction;
    private readonly RecentUses _uses;
    private readonly TimeProvider _clock;
    private readonly Lock _lock = new();
    private readonly Dictionary<Digest, HashSet<(string Repository, LinkKind Kind)>> _holders = [];
    private readonly HashSet<Digest> _unheld = [];
    private readonly SortedSet<string> _repositories = new(StringComparer.Ordinal);

    /// <summary>Reads which content is staged.</summary>
    internal StagedContent(Root root, IContentStore store, Root cachedRoot, Eviction eviction, RecentUses uses, TimeProvider clock)
    {
        (_root, _store, _cachedRoot, _eviction, _uses, _clock) = (root, store, cachedRoot, eviction, uses, clock);
        foreach (var path in RepositoryFolders.In(root))
        {
            foreach (var digest in RepositoryFolders.Manifests(root, path)) Linked(path, LinkKind.Manifest, digest);
            foreach (var digest in RepositoryFolders.Blobs(root, path)) Linked(path, LinkKind.Blob, digest);
            _repositories.Add(path);
        }
    }

    /// <summary>Every repository that has had staged content, by its path below the root.</summary>
    public string[] Repositories
    {
        get
        {
            lock (_lock) return [.. _repositories];
        }
    }

    /// <summary>Notes that a staged repository has some content.</summary>
    public void Linked(string repository, LinkKind kind, Digest digest)
    {
        lock (_lock)
        {
            _repositories.Add(repository);
            if (!_holders.TryGetValue(digest, out var holders)) _holders[digest] = holders = [];
            holders.Add((repository, kind));
        }
    }

    /// <summary>
    /// Notes that a staged repository no longer has some content. Its bytes stay until <see cref="ReleaseUnheld"/>: a later change of the
    /// same batch may link them again, and was accepted because they were there.
    /// </summary>
    public void Unlinked(string repository, LinkKind kind, Digest digest)
    {
        lock (_lock)
        {
            if (!_holders.TryGetValue(digest, out var holders)) return;
            holders.Remove((repository, kind));
            if (holders.Count > 0) return;
            _holders.Remove(digest);
            _unheld.Add(digest);
        }
    }

    /// <summary>Removes the bytes that no staged repository has any more. Called when all changes of a batch are applied.</summary>
    public void ReleaseUnheld()
    {
        Digest[] unheld;
        lock (_lock)
        {
            if (_unheld.Count == 0) return;
            unheld = [.. _unheld];
            _unheld.Clear();
        }
        foreach (var digest in unheld)
        {
            try
            {
                if (!IsHeld(digest)) Release(digest, () => IsHeld(digest));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The changes are made. The next batch tries again; a sweep finds what a stop leaves.
                lock (_lock) _unheld.Add(digest);
            }
        }
    }

    /// <summary>
    /// Removes content of one repository that has not been needed for a day: pushes that an upstream refused; manifests that no tag, held
    /// push or index of this repository leads to, that do not wait to be forwarded and are no evidence about a remaining one; and blobs
    /// that no manifest of this repository names.
    /// </summary>
    public async Task SweepAsync(StoredRepository repository, CancellationToken cancellationToken)
    {
        foreach (var refused in repository.Forwards().Where(f => !f.IsWaiting).ToArray())
        {
            if (IsOld(_root.Forward(repository.Path, refused.Sequence)))
                await repository.CommitAsync(new([new Operation.Forwarded(refused.Sequence)]), cancellationToken);
        }
        var needed = Needed(repository, _clock.GetUtcNow());
        foreach (var digest in repository.Manifests().Where(d => !needed.Contains(d)).ToArray())
        {
            if (IsOld(_root.ManifestLink(repository.Path, digest)))
                await repository.CommitAsync(new([new Operation.RemoveManifest(digest)]), cancellationToken);
        }
        var named = BlobsOf(repository, repository.Manifests());
        foreach (var digest in repository.Blobs().Where(d => !named.Contains(d)).ToArray())
        {
            if (IsOld(_root.BlobLink(repository.Path, digest)))
                await repository.CommitAsync(new([new Operation.RemoveBlob(digest)]), cancellationToken);
        }
    }

    /// <summary>The manifests that a tag, a held push or an index of this repository leads to, and the evidence about them.</summary>
    public static HashSet<Digest> Needed(StoredRepository repository, DateTimeOffset now)
    {
        var needed = new HashSet<Digest>();
        var open = new Stack<Digest>(repository.HeldPushes().Where(o => o.Expires > now).Select(o => o.Digest));
        foreach (var digest in repository.Forwards().Where(f => f.IsWaiting).SelectMany(f => f.Manifests)) open.Push(digest);
        foreach (var tag in repository.Tags())
        {
            if (repository.LiveOf(tag) is var live && EvidenceNotes.SubjectOf(tag, live).IsEmpty) open.Push(live);
        }
        while (open.TryPop(out var digest))
        {
            if (!needed.Add(digest)) continue;
            if (repository.ReadManifest(digest) is { } manifest)
                foreach (var child in manifest.Manifest.Children) open.Push(child.Digest);
            foreach (var evidence in EvidenceNotes.List(repository, digest)) open.Push(evidence);
        }
        return needed;
    }

    /// <summary>The blobs that these manifests name.</summary>
    public static HashSet<Digest> BlobsOf(StoredRepository repository, IEnumerable<Digest> manifests) =>
        [.. manifests.Select(repository.ReadManifest).OfType<StoredManifest>().SelectMany(m => m.Manifest.AllBlobs).Select(b => b.Digest)];

    /// <summary>Removes bytes without a link, which a kill may leave.</summary>
    public void SweepBytes()
    {
        foreach (var (digest, data) in RepositoryFolders.Contents(_root))
        {
            // Asked again once no writer can put the same bytes in place: an upload may have done so since they were listed.
            if (IsOld(data) && !IsHeld(digest)) Release(digest, () => IsHeld(digest) || !IsOld(data) || _uses.IsRecent(digest));
        }
    }

    private bool IsHeld(Digest digest)
    {
        lock (_lock) return _holders.ContainsKey(digest);
    }

    private bool IsOld(string file) => Disk.Find(file)?.Written < _clock.GetUtcNow() - KeptFor;

    // Current readers are unaffected.
    private void Release(Digest digest, Func<bool> isInUse)
    {
        if (_store is ContentFiles files)
        {
            if (!files.Remove(digest, evenIfRead: true, isInUse)) return;
        }
        else _store.RemoveAsync(digest, evenIfRead: true, CancellationToken.None).Wait();
        // Bytes that were linked into the cached root now belong only to it.
        var cached = _cachedRoot.Data(digest);
        if (Disk.Find(cached) is { Names: 1, Length: var size }) _eviction.Stored(digest, size);
    }
}
