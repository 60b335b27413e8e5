using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// One repository in one root on disk. In the pushed root it is the backing of a built-in repository. In the cached root it holds fetched
/// content of a pull-through repository. In the staged root it holds content that a fronted upstream does not have yet.
/// </summary>
public sealed partial class StoredRepository : IBacking, IRepositoryUploads
{
    private readonly Volume _volume;
    private readonly RepositoryState _state;

    internal StoredRepository(Volume volume, Root root, string path)
    {
        (_volume, Root, Path) = (volume, root, path);
        _state = volume.States.Get(root, path);
    }

    internal Root Root { get; }

    /// <summary>The repository's folder below the root's <c>repositories</c>.</summary>
    public string Path { get; }

    /// <summary>Its name among all repositories whose changes are journaled. Names of repositories contain no colon.</summary>
    public string FullName => Root.Lifetime == Lifetime.Staged ? StagedMark + Path : Path;

    /// <summary>Precedes the path in the full name of a staged repository.</summary>
    public const string StagedMark = "staged:";

    internal RepositoryState State => _state;

    /// <summary>Counts the additions of a change that was not committed only here (<see cref="Additions"/>).</summary>
    /// <param name="room">The room of the change; null when it added no counted entries.</param>
    public void CountAdded(Room? room) => _state.Add(room);

    /// <inheritdoc/>
    public ValueTask<Result<TagState>> ResolveAsync(TagName tag, CancellationToken cancellationToken) =>
        ValueTask.FromResult<Result<TagState>>(Live(tag) is { } live
            ? new Result<TagState>.Found(live, CacheHandling.Hit)
            : new Result<TagState>.Absent(CacheHandling.Local));

    /// <summary>Keeps what a client found from the collector for the grace time.</summary>
    public void Requested(Digest digest, Result<StoredManifest> result)
    {
        if (result is Result<StoredManifest>.Found) _volume.Uses.Note(digest);
    }

    /// <summary>Keeps what a client found from the collector for the grace time.</summary>
    public void Requested(Result<IContent> result)
    {
        if (result is Result<IContent>.Found { Value: var content }) _volume.Uses.Note(content.Digest);
    }

    /// <summary>The live digest and the held push of a tag, as of the last applied change; null when it has neither.</summary>
    public TagState? Live(TagName tag)
    {
        var live = _state.Live(tag);
        return _state.HeldPushes.All() is { IsEmpty: false } all && all.GetValueOrDefault(tag) is { } held
            ? (live ?? new TagState(default, default)) with { Held = held }
            : live;
    }

    /// <inheritdoc/>
    public Digest LiveOf(TagName tag) => Live(tag)?.Live ?? default;

    /// <inheritdoc/>
    public ValueTask<Result<StoredManifest>> ReadManifestAsync(Digest digest, CancellationToken cancellationToken) =>
        ValueTask.FromResult<Result<StoredManifest>>(
            ReadManifest(digest) is { } manifest ? new Result<StoredManifest>.Found(manifest, CacheHandling.Hit)
            : IsDamaged(digest) ? Damaged<StoredManifest>(digest)
            : new Result<StoredManifest>.Absent(CacheHandling.Local));

    private bool IsDamaged(Digest manifest) =>
        _volume.Damage.Count > 0 && _volume.Damage.IsKnown(Root, SmallFiles.ReadLink(Root.ManifestLink(Path, manifest)));

    /// <summary>Reads a manifest of this repository; null when there is no link to it, or its bytes are missing or damaged.</summary>
    public StoredManifest? ReadManifest(Digest digest)
    {
        if (_volume.Links.Find(this, LinkKind.Manifest, digest) is not { } link) return null;
        var manifest = _volume.Manifests.Find(digest) ?? LoadManifest(digest);
        _volume.Eviction.Used(digest);
        return manifest is null ? null : link.Verdict == manifest.Verdict ? manifest : manifest with { Verdict = link.Verdict };
    }

    private StoredManifest? LoadManifest(Digest digest)
    {
        var target = SmallFiles.ReadLink(Root.ManifestLink(Path, digest));
        if (target.IsEmpty || _volume.ReadWhole(Root, target) is not { } bytes) return null;
        var (manifest, _) = ManifestReader.Read(bytes, null, Volume.ReadBackLimits);
        if (manifest is null) return null;
        foreach (var blob in manifest.Blobs)
        {
            // If the lookup index was lost, manifests state the expected lengths again.
            if (_volume.Links.Find(this, LinkKind.Blob, blob.Digest) is { IsMeasured: true } link)
                _volume.Links.Write(this, LinkKind.Blob, blob.Digest, link with { Size = blob.Size, IsMeasured = false });
        }
        var stored = new StoredManifest(digest, manifest, bytes);
        _volume.Manifests.Add(stored);
        return stored;
    }

    /// <inheritdoc/>
    public ValueTask<Result<IContent>> OpenBlobAsync(Digest digest, BlobUse use, CancellationToken cancellationToken)
    {
        if (_volume.Links.Find(this, LinkKind.Blob, digest) is not { } link)
            return ValueTask.FromResult<Result<IContent>>(new Result<IContent>.Absent(CacheHandling.Local));
        var target = link.IsAlias ? SmallFiles.ReadLink(Root.BlobLink(Path, digest)) : digest;
        if (OpenContent(digest, target, link.Size, out var isUnfit) is { } content)
            return ValueTask.FromResult<Result<IContent>>(new Result<IContent>.Found(content, CacheHandling.Hit));
        return isUnfit
            ? SettleAsync(digest, target, link)
            : ValueTask.FromResult<Result<IContent>>(new Result<IContent>.Absent(CacheHandling.Local));
    }

    /// <summary>
    /// The link has another size than the files. The digest decides: if the bytes are right, the size of the link is corrected.
    /// </summary>
    private async ValueTask<Result<IContent>> SettleAsync(Digest digest, Digest target, Link link)
    {
        var examined = await _volume.Damage.ExamineAsync(target);
        if (examined.Length is { } length)
        {
            _volume.Links.Write(this, LinkKind.Blob, digest, link with { Size = length, IsMeasured = false });
            if (OpenContent(digest, target, length, out _) is { } content) return new Result<IContent>.Found(content, CacheHandling.Hit);
        }
        return examined.IsDamaged && Root.Lifetime != Lifetime.Cached
            ? Damaged<IContent>(digest)
            : new Result<IContent>.Absent(CacheHandling.Local);
    }

    private Result<T>.Unavailable Damaged<T>(Digest digest) =>
        new(null, $"{digest} of {Path} is damaged on the disk of this gateway; push it again or ask the operator to restore it",
            CacheHandling.Local) { IsDamaged = true };

    /// <summary>
    /// Opens the bytes of a blob that are stored in any root. The caller must know in another way that the repository has the blob, when a
    /// full volume cannot store its link.
    /// </summary>
    /// <param name="size">Bytes; null when unknown.</param>
    public IContent? OpenUnlinked(Digest digest, long? size) => OpenContent(digest, digest, size ?? -1, out _);

    private FileContent? OpenContent(Digest digest, Digest target, long size, out bool isUnfit)
    {
        if (_volume.OpenContent(Root, target, size, out isUnfit) is not { } file) return null;
        _volume.Eviction.Used(target);
        return new FileContent(file, digest);
    }

    /// <inheritdoc/>
    public ValueTask<Prefetched> PrefetchAsync(Descriptor blob, CancellationToken cancellationToken) =>
        ValueTask.FromResult(new Prefetched(
            _volume.FindContent(blob.Digest, blob.Size) is null ? $"{blob.Digest} is not stored here" : null, 0));

    /// <inheritdoc/>
    public async ValueTask<bool> HasBytesAsync(LinkKind kind, Digest digest, long size, CancellationToken cancellationToken)
    {
        var target = SmallFiles.ReadLink(Root.Link(Path, kind, digest));
        if (target.IsEmpty) return false;
        _volume.Uses.Note(digest);
        _volume.Uses.Note(target);
        if (_volume.FindContent(target, size) is null)
        {
            if (kind == LinkKind.Manifest) return false;
            if (await OpenBlobAsync(digest, BlobUse.Head, cancellationToken) is not Result<IContent>.Found found) return false;
            await using var content = found.Value;
            size = content.Length ?? -1;
        }
        // A file that was removed by hand may still be in the manifest cache; it is removed from there.
        if (Root.Lifetime != Lifetime.Cached) _volume.Borrow(Root, target, size);
        return true;
    }

    /// <summary>See <see cref="ReadLinkAsync"/>.</summary>
    public Link? FindLink(LinkKind kind, Digest digest) => _volume.Links.Find(this, kind, digest);

    /// <inheritdoc/>
    public ValueTask<Link?> ReadLinkAsync(Digest digest, LinkKind kind, CancellationToken cancellationToken) =>
        ValueTask.FromResult(_volume.Links.Find(this, kind, digest));

    /// <inheritdoc/>
    public async ValueTask<Result<IReadOnlyList<Descriptor>>> ReferrersAsync(Digest subject, CancellationToken cancellationToken) =>
        new Result<IReadOnlyList<Descriptor>>.Found(await Referrers.ListAsync(this, subject), CacheHandling.Hit);

    /// <inheritdoc/>
    public async ValueTask<Result<IReadOnlyList<Digest>>> EvidenceAsync(Digest subject, CancellationToken cancellationToken)
    {
        await Referrers.ScanOnceAsync(this);
        return new Result<IReadOnlyList<Digest>>.Found(EvidenceNotes.List(this, subject), CacheHandling.Hit);
    }

    /// <summary>See <see cref="SubjectsOfAsync"/>.</summary>
    public IReadOnlyList<Digest> SubjectsOf(Digest evidence) => EvidenceNotes.SubjectsOf(this, evidence);

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<Digest>> SubjectsOfAsync(Digest evidence) => new(SubjectsOf(evidence));

    /// <summary>Empty for a cached repository: subjects that are absent there may be at the upstream.</summary>
    public IAsyncEnumerable<(Digest Evidence, Digest Subject)> OrphansAsync() =>
        (Root.Lifetime == Lifetime.Cached ? [] : EvidenceNotes.Orphans(this)).ToAsyncEnumerable();

    /// <inheritdoc/>
    public long VersionOf(Digest subject) => _state.Versions.Of(subject);

    /// <inheritdoc/>
    public long Version => _state.Versions.Latest;

    /// <inheritdoc/>
    public long Additions => _state.Additions;

    /// <inheritdoc/>
    public long Lost => _state.Versions.Lost;

    /// <inheritdoc/>
    public ValueTask<IReadOnlyCollection<Digest>> IndexesOfAsync(Digest child) => _state.Parents.OfAsync(this, child);

    /// <inheritdoc/>
    public ValueTask<DateTimeOffset?> FirstSeenAsync(Digest digest) => new(FirstSeen(digest));

    /// <summary>See <see cref="FirstSeenAsync"/>.</summary>
    public DateTimeOffset? FirstSeen(Digest digest)
    {
        if (_state.Seen.Of(digest) is { } noted) return noted;
        return Disk.Find(Root.ManifestLink(Path, digest))?.Written;
    }

    /// <inheritdoc/>
    public IReadOnlyList<HeldPush> HeldPushes() => [.. _state.HeldPushes.All().Values];

    /// <inheritdoc/>
    public ManifestRelease? ReleaseOf(Digest manifest) =>
        _state.Releases.All() is { IsEmpty: false } all ? all.GetValueOrDefault(manifest) : null;

    /// <summary>The pushes that must be forwarded to an upstream, and those that it refused in the last day, the earliest first.</summary>
    public IEnumerable<PendingForward> Forwards() => _state.Forwards.All().Values;

    /// <summary>Notes that a manifest of this repository names a subject.</summary>
    public void Note(Digest subject, Descriptor referrer)
    {
        var text = System.Text.Encoding.UTF8.GetBytes(ReferrerFile.Write(referrer));
        // The journal names a long one only by its digest.
        var isWhole = referrer.MediaType.Length > 0 && text.Length <= Referrers.MaxDescriptorBytes;
        _volume.Files.Write(Root.Referrer(Path, subject, referrer.Digest), isWhole ? text : []);
    }

    /// <summary>Writes one of the files that distribution does not define.</summary>
    public void WriteOwn(string file, string text) => _volume.Files.Write(file, System.Text.Encoding.UTF8.GetBytes(text));

    /// <summary>Null for a cached repository: clients cannot push to it.</summary>
    public IRepositoryUploads? Uploads => Root.Lifetime == Lifetime.Cached ? null : this;

    /// <inheritdoc/>
    public ValueTask<Upload> OpenUploadAsync(DigestAlgorithm algorithm, string actor, CancellationToken cancellationToken) =>
        _volume.Uploads.OpenAsync(FullName, algorithm, actor, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<Upload?> FindUploadAsync(string id, CancellationToken cancellationToken) =>
        ValueTask.FromResult(_volume.Uploads.Find(FullName, id));

    /// <inheritdoc/>
    public async ValueTask<CommitResult> CommitAsync(Change change, CancellationToken cancellationToken)
    {
        // Each of them once: the committer removes the tags of a manifest with it.
        if (change.Operations.Any(static o => o is Operation.RemoveManifest)) _ = Tags().Select(Live).Count();
        using var use = _volume.Uses.Begin(change);
        var room = Root.Lifetime == Lifetime.Cached ? _volume.KeepRoom(change, Path) : 0;
        try
        {
            if (room > 0) await _volume.Eviction.CatchUpAsync(cancellationToken);
            change = change with { Operations = [.. change.Operations.Select(Prepare)] };
            return await _volume.Committer.CommitAsync(this, change, cancellationToken);
        }
        finally
        {
            if (room > 0) _volume.Eviction.Release(room);
        }
    }

    /// <summary>
    /// Does work ahead of time that does not need the committer's single thread: parses a manifest, and makes content durable that the
    /// journal does not contain itself.
    /// </summary>
    private Operation Prepare(Operation operation)
    {
        if (operation is Operation.StoreManifest { Bytes.IsEmpty: false } stored)
        {
            if (stored.Bytes.Length > JournalRecord.MaxInline) _volume.WriteFlushed(Root, stored.Digest, stored.Bytes.Span);
            return stored with { Parsed = _volume.Manifests.Find(stored.Digest)?.Manifest ?? Parse(stored.Bytes) };
        }
        if (operation is Operation.LinkBlob { Upload: null } blob && Root.Lifetime != Lifetime.Cached
            && _volume.Links.Find(this, LinkKind.Blob, blob.Digest) is not { IsAlias: true })
            _volume.Borrow(Root, blob.Digest, blob.Size);
        return operation;
    }

    private static Manifest? Parse(ReadOnlyMemory<byte> bytes) => ManifestReader.Read(bytes, null, Volume.ReadBackLimits).Manifest;
}
