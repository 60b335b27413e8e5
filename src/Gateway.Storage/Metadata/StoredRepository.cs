using System.Collections.Immutable;

namespace Gateway.Storage;

/// <summary>
/// One repository in one root on disk. In the pushed root it is the backing of a built-in repository. In the cached root it holds fetched
/// content of a pull-through repository. In the staged root it holds content that a fronted upstream does not have yet.
/// </summary>
public sealed partial class StoredRepository : IBacking, IRepositoryUploads
{
    private readonly RepositoryState _state;
    private readonly RepositoryParts _parts;

    /// <summary>See <see cref="StoredRepositories"/>, which makes them.</summary>
    internal StoredRepository(Root root, string path, RepositoryState state, RepositoryParts parts) =>
        (Root, Path, _state, _parts) = (root, path, state, parts);

    internal Root Root { get; }

    /// <summary>The repository's folder below the root's <c>repositories</c>.</summary>
    public string Path { get; }

    /// <summary>Its name among all repositories whose changes are journaled. Names of repositories contain no colon.</summary>
    public string FullName =>
        Root.Lifetime == Lifetime.Staged ? StagedMark + Path : Root.IsShared ? SharedMark + Path : Path;

    /// <summary>Precedes the path in the full name of a repository whose truth is a log in a bucket.</summary>
    internal const string SharedMark = "shared:";

    /// <summary>Precedes the path in the full name of a staged repository.</summary>
    public const string StagedMark = "staged:";

    internal RepositoryState State => _state;

    /// <summary>
    /// Whether nothing that may refer to content was applied since a walk began. Other gateways push to a shared repository without noting
    /// their uses here; the pushes of this gateway are noted.
    /// </summary>
    /// <param name="since">The <see cref="RepositoryState.Referrals"/> when it began.</param>
    internal bool IsUnreferred(long since) => !Root.IsShared || _state.Referrals == since;

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
        if (result is Result<StoredManifest>.Found) _parts.Uses.Note(digest);
    }

    /// <summary>Keeps what a client found from the collector for the grace time.</summary>
    public void Requested(Result<IContent> result)
    {
        if (result is Result<IContent>.Found { Value: var content }) _parts.Uses.Note(content.Digest);
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
    public bool IsBuiltIn => true;

    /// <inheritdoc/>
    public Digest LiveOf(TagName tag) => Live(tag)?.Live ?? default;

    /// <summary>See <see cref="ReadLinkAsync"/>.</summary>
    public Link? FindLink(LinkKind kind, Digest digest) => _parts.Links.Find(this, kind, digest);

    /// <inheritdoc/>
    public ValueTask<Link?> ReadLinkAsync(Digest digest, LinkKind kind, CancellationToken cancellationToken) =>
        ValueTask.FromResult(_parts.Links.Find(this, kind, digest));

    /// <inheritdoc/>
    public async ValueTask<Result<IReadOnlyList<Descriptor>>> ReferrersAsync(Digest subject, CancellationToken cancellationToken) =>
        new Result<IReadOnlyList<Descriptor>>.Found(await Referrers.ListAsync(this, subject), CacheHandling.Hit);

    /// <inheritdoc/>
    public async ValueTask<Result<IReadOnlyList<Digest>>> EvidenceAsync(Digest subject, CancellationToken cancellationToken)
    {
        await Referrers.ScanOnceAsync(this);
        return new Result<IReadOnlyList<Digest>>.Found(EvidenceNotes.List(this, subject), CacheHandling.Hit);
    }

    /// <inheritdoc/>
    public ValueTask<bool> HasCountedEvidenceAsync(Digest subject) => new(EvidenceNotes.HasCounted(this, subject));

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
        _parts.Files.Write(Root.Referrer(Path, subject, referrer.Digest), isWhole ? text : []);
    }

    /// <summary>Writes one of the files that distribution does not define.</summary>
    public void WriteOwn(string file, string text) => _parts.Files.Write(file, System.Text.Encoding.UTF8.GetBytes(text));

    private Uploads OwnUploads => _parts.Uploads.Of(Root.Lifetime);

    /// <summary>Null for a cached repository: clients cannot push to it.</summary>
    public IRepositoryUploads? Uploads => Root.Lifetime == Lifetime.Cached ? null : this;

    /// <inheritdoc/>
    public ValueTask<Upload> OpenUploadAsync(DigestAlgorithm algorithm, string actor, CancellationToken cancellationToken) =>
        OwnUploads.OpenAsync(FullName, algorithm, actor, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<Upload?> FindUploadAsync(string id, CancellationToken cancellationToken) =>
        OwnUploads.FindAsync(FullName, id, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<CommitResult> CommitAsync(Change change, CancellationToken cancellationToken)
    {
        // The committer removes the tags of a manifest with it.
        if (change.Operations.Any(static o => o is Operation.RemoveManifest)) LoadTags();
        using var use = _parts.Uses.Begin(change);
        // Before the bytes are looked for.
        if (Root.IsShared) change = change with { PlacedUnder = _state.Fence };
        var room = Root.Lifetime == Lifetime.Cached ? await _parts.Room.KeepAsync(change, Path, cancellationToken) : 0;
        try
        {
            var operations = ImmutableArray.CreateBuilder<Operation>(change.Operations.Length);
            foreach (var operation in change.Operations) operations.Add(await PrepareAsync(operation, cancellationToken));
            return await _parts.Committer.CommitAsync(this, change with { Operations = operations.MoveToImmutable() }, cancellationToken);
        }
        finally
        {
            _parts.Room.Release(room);
        }
    }

    /// <summary>Reads the binding of every tag into memory.</summary>
    internal void LoadTags() => _ = Tags().Select(Live).Count();

    /// <summary>
    /// Does work ahead of time that does not need the committer's single thread: parses a manifest, stores its bytes, and makes content
    /// durable that the journal does not contain itself. Bytes that the committer then refuses to link are collected.
    /// </summary>
    private async ValueTask<Operation> PrepareAsync(Operation operation, CancellationToken cancellationToken)
    {
        if (operation is Operation.StoreManifest { Bytes.IsEmpty: false } stored)
        {
            var isDurable = stored.Bytes.Length > JournalRecord.MaxInline;
            if (isDurable) await _parts.Content.WriteAsync(Root.Lifetime, stored.Digest, stored.Bytes, cancellationToken);
            return stored with
            {
                Parsed = _parts.Manifests.Find(stored.Digest)?.Manifest ?? Parse(stored.Bytes),
                IsPlaced = isDurable
                    || (Root.Lifetime != Lifetime.Cached && _parts.Content.TryPlace(Root.Lifetime, stored.Digest, stored.Bytes)),
            };
        }
        if (operation is Operation.LinkBlob { Upload: null } blob && Root.Lifetime != Lifetime.Cached
            && _parts.Links.Find(this, LinkKind.Blob, blob.Digest) is not { IsAlias: true })
            await _parts.Content.BorrowAsync(Root.Lifetime, blob.Digest, blob.Size, cancellationToken);
        // In a bucket, many GB may have to be copied; other changes do not wait for that.
        if (operation is Operation.LinkBlob { Upload: { } upload } finished)
            await OwnUploads.PlaceAsync(upload, finished.Digest, cancellationToken);
        return operation;
    }

    private static Manifest? Parse(ReadOnlyMemory<byte> bytes) => ManifestReader.Read(bytes, null, StoredManifest.ReadBackLimits).Manifest;
}
