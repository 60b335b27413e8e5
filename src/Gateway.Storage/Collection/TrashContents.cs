namespace Gateway.Storage;

/// <summary>Something in the trash.</summary>
/// <param name="What"><c>manifest</c>, <c>tag</c>, <c>link</c> (of a blob), <c>blob</c> (bytes) or <c>other</c>.</param>
/// <param name="Name">Repository with tag or digest, a digest, or a path.</param>
/// <param name="Bytes">Disk space.</param>
public sealed record TrashedItem(DateTimeOffset At, string What, string Name, long Bytes)
{
    /// <summary>What a tag was bound to; null for anything else, and when that cannot be read.</summary>
    public string? BoundTo { get; init; }

    /// <summary>Names the item among those of the same moment; null in the list of everything.</summary>
    public string? Id { get; init; }
}

/// <summary>A manifest that was brought back.</summary>
/// <param name="Blobs">Its blobs.</param>
/// <param name="Tags">Tags that were bound to it when they were removed, and are in the trash; they are not bound again.</param>
public sealed record RestoredManifest(string Repository, Digest Digest, int Blobs, IReadOnlyList<string> Tags);

/// <summary>What was brought back from the trash.</summary>
/// <param name="Problems">What could not be brought back, and why; one sentence each.</param>
public sealed record RestoreReport(IReadOnlyList<RestoredManifest> Restored, IReadOnlyList<string> Problems);

/// <summary>The trash as an operator sees it: lists it, empties it, and brings back manifests of pushed repositories.</summary>
public sealed class TrashContents
{
    private readonly Trash _trash;
    private readonly StoredRepositories _repositories;
    private readonly VolumeContent _content;
    private readonly ManifestFiles _files;
    private readonly RecentUses _uses;

    internal TrashContents(
        Trash trash, StoredRepositories repositories, VolumeContent content, Root pushed, ManifestCache manifests, RecentUses uses)
    {
        (_trash, _repositories, _content, _uses) = (trash, repositories, content, uses);
        _files = new(manifests, content, [pushed]);
    }

    /// <summary>Everything in the trash, the latest first; throws <see cref="UnreadableException"/>.</summary>
    public IEnumerable<TrashedItem> All() => _trash.Entries().Select(ItemOf);

    /// <summary>
    /// The same, as far as it is noted where the items came from; only as much of the notes is read as items are taken.
    /// </summary>
    public IEnumerable<TrashedItem> Latest() =>
        _trash.Latest().Select(static entry => ItemOf(entry) with { Id = Path.GetFileName(entry.Place) });

    private static TrashedItem ItemOf(TrashEntry entry)
    {
        var (what, name) = PlaceOf(entry.From);
        var bound = what == "tag" ? SmallFiles.ReadLink($"{entry.Place}/current/link") : default(Digest?);
        return new(entry.At, what, name, entry.Bytes) { BoundTo = bound is { IsEmpty: false } digest ? digest.ToString() : null };
    }

    /// <summary>Disk space of the trash; 0 until it was counted.</summary>
    public long DiskSpace => _trash.Bytes;

    /// <summary>Deletes everything in the trash. Returns the bytes that were deleted.</summary>
    public long Empty() => _trash.EmptyAll();

    /// <summary>
    /// Brings back manifests of a repository with their blobs, with the manifests that they name, and with the evidence about them. A
    /// manifest comes back without its tags: the policy decides about a tag when a client pushes it. Throws <see
    /// cref="StoreReadOnlyException"/> when nothing can be written.
    /// </summary>
    /// <param name="digest">One manifest; empty for all that were removed from the repository.</param>
    public async Task<RestoreReport> RestoreAsync(RepositoryName name, Digest digest, CancellationToken cancellationToken)
    {
        // Until the end nothing that was brought back is collected again.
        using var hold = _uses.Hold();
        var found = new Found(name, _trash.Entries());
        var report = new RestoreReport(new List<RestoredManifest>(), new List<string>());
        foreach (var each in digest.IsEmpty ? [.. found.Manifests] : (Digest[])[digest])
            await RestoreAsync(_repositories.Pushed(name), each, found, report, cancellationToken);
        return report;
    }

    // False when the repository does not have the manifest after it.
    private async Task<bool> RestoreAsync(
        StoredRepository repository, Digest digest, Found found, RestoreReport report, CancellationToken cancellationToken)
    {
        if (found.Failed.Contains(digest)) return false;
        if (!found.Tried.Add(digest)) return true;
        string? problem;
        try
        {
            if (repository.FindLink(LinkKind.Manifest, digest) is not null) return true;
            problem = await TryRestoreAsync(repository, digest, found, report, cancellationToken);
        }
        catch (Exception e) when (e is (IOException and not StoreReadOnlyException) or UnauthorizedAccessException)
        {
            problem = $"expected to read it from the trash, got an error ({Disk.WhyOf(e)}); correct the cause and restore it again";
        }
        if (problem is null) return true;
        found.Failed.Add(digest);
        ((List<string>)report.Problems).Add($"{repository.Path}@{digest}: {problem}");
        return false;
    }

    // Why it was not brought back; null when it was.
    private async Task<string?> TryRestoreAsync(
        StoredRepository repository, Digest digest, Found found, RestoreReport report, CancellationToken cancellationToken)
    {
        // The bytes alone say nothing: another repository may have them.
        if (!found.Links.ContainsKey(digest) || await BytesAsync(repository, digest, found, cancellationToken) is not { } bytes
            || ManifestReader.Read(bytes, null, StoredManifest.ReadBackLimits).Manifest is not { } manifest)
            return "expected the manifest in the trash, got none; push it again";
        foreach (var child in manifest.Children.Where(static child => MediaTypes.IsManifest(child.MediaType)))
        {
            if (!await RestoreAsync(repository, child.Digest, found, report, cancellationToken))
                return $"expected its manifest {child.Digest} in the trash, got none that can be restored; push the image again";
        }
        foreach (var blob in manifest.AllBlobs.Where(static blob => blob.Urls.IsEmpty))
        {
            if (!await BringBackAsync(blob, found, cancellationToken))
                return $"expected its blob {blob.Digest} whole in the {(repository.Root.IsShared ? "bucket" : "trash")}, "
                    + "got none; push the image again";
        }
        if (await CommitAsync(repository, digest, bytes, manifest, found, cancellationToken) is not CommitResult.Committed)
            return "its content was removed meanwhile; restore it again";
        if (found.Links.TryGetValue(digest, out var link)) _trash.Remove(link);
        string[] tags = [.. found.TagsOf(digest).Select(static tag => tag.Value)];
        ((List<RestoredManifest>)report.Restored).Add(new(repository.Path, digest, manifest.AllBlobs.Count(), tags));
        foreach (var evidence in found.EvidenceTags.Where(tag => EvidenceNotes.SubjectOf(tag.Tag, tag.Digest) == digest))
            await RestoreAsync(repository, evidence.Digest, found, report, cancellationToken);
        foreach (var other in found.Manifests.Where(other => !found.Tried.Contains(other)).ToArray())
        {
            if (await SubjectOfAsync(repository, other, found, cancellationToken) == digest)
                await RestoreAsync(repository, other, found, report, cancellationToken);
        }
        return null;
    }

    private static async Task<CommitResult> CommitAsync(
        StoredRepository repository, Digest digest, byte[] bytes, Manifest manifest, Found found, CancellationToken cancellationToken)
    {
        var operations = manifest.AllBlobs.DistinctBy(static blob => blob.Digest).Where(static blob => blob.Urls.IsEmpty)
            .Select(static Operation (blob) => new Operation.LinkBlob(blob.Digest, blob.Size)).ToList();
        operations.Add(new Operation.StoreManifest(digest, bytes));
        if (manifest.Subject is { } subject)
            operations.Add(new Operation.AddReferrer(subject.Digest, manifest.AsReferrer(digest, bytes.Length)));
        // A tag of evidence is how clients find it, and no policy refuses it.
        foreach (var tag in found.TagsOf(digest).Where(tag => !EvidenceNotes.SubjectOf(tag, digest).IsEmpty))
        {
            operations.Add(new Operation.AddEvidence(EvidenceNotes.SubjectOf(tag, digest), digest));
            if (repository.LiveOf(tag).IsEmpty) operations.Add(new Operation.SetLive(tag, digest));
        }
        return await repository.CommitAsync(new([.. operations]), cancellationToken);
    }

    private async ValueTask<Digest> SubjectOfAsync(
        StoredRepository repository, Digest digest, Found found, CancellationToken cancellationToken)
    {
        try
        {
            return await BytesAsync(repository, digest, found, cancellationToken) is { } bytes
                && ManifestReader.Read(bytes, null, StoredManifest.ReadBackLimits).Manifest?.Subject is { } subject
                    ? subject.Digest
                    : default;
        }
        catch (UnreadableException)
        {
            // Restoring it by itself reports the problem.
            return default;
        }
    }

    // From the root, or from the trash if the collector has removed the bytes too.
    private async ValueTask<byte[]?> BytesAsync(
        StoredRepository repository, Digest digest, Found found, CancellationToken cancellationToken)
    {
        if (await _files.BytesAsync(repository.Root, digest, cancellationToken) is { } stored) return stored;
        if (!found.Contents.TryGetValue(digest, out var entry) || entry.Bytes > StoredManifest.MaxBytes) return null;
        return Disk.Bytes($"{entry.Place}/data", StoredManifest.MaxBytes) is { } bytes && Digest.Of(bytes, digest.Algorithm) == digest
            ? bytes
            : null;
    }

    // False when no root has the blob, and the trash neither, or only a damaged one.
    private async ValueTask<bool> BringBackAsync(Descriptor blob, Found found, CancellationToken cancellationToken)
    {
        // From here on the collector does not remove it.
        _uses.Note(blob.Digest);
        if (await _content.FindAsync(blob.Digest, blob.Size, cancellationToken) is not null) return true;
        if (!found.Contents.TryGetValue(blob.Digest, out var entry)) return false;
        var data = $"{entry.Place}/data";
        // Hashed before the trash is locked: nothing writes to a file in it.
        if (Disk.LengthOf(data) != blob.Size || await HashAsync(data, blob.Digest.Algorithm, cancellationToken) != blob.Digest)
            return false;
        return _trash.TakeOut(entry, () => Disk.HasFile(data) && _content.Restore(data, blob.Digest));
    }

    private static async Task<Digest> HashAsync(string file, DigestAlgorithm algorithm, CancellationToken cancellationToken)
    {
        using var opened = Disk.Open(file);
        if (opened is null) return default;
        using var hash = new ContentHash(algorithm);
        // As many bytes at a time as a scrub reads.
        var buffer = new byte[256 * 1024];
        for (var at = 0L; await RandomAccess.ReadAsync(opened, buffer, at, cancellationToken) is var count and > 0; at += count)
            hash.AppendData(buffer, 0, count);
        return Digest.FromHash(algorithm, hash.GetCurrentHash());
    }

    /// <summary>What a path below the volume was.</summary>
    private static (string What, string Name) PlaceOf(string from)
    {
        var root = Found.Pushed.FirstOrDefault(root => from.StartsWith(root, StringComparison.Ordinal)) ?? "";
        var path = from[root.Length..];
        var parts = path.Split('/');
        return parts switch
        {
            ["repositories", .. var name, "_manifests", "revisions", var algorithm, var hex] =>
                ("manifest", $"{string.Join('/', name)}@{algorithm}:{hex}"),
            ["repositories", .. var name, "_layers", var algorithm, var hex] => ("link", $"{string.Join('/', name)}@{algorithm}:{hex}"),
            ["repositories", .. var name, "_manifests", "tags", var tag] => ("tag", $"{string.Join('/', name)}:{tag}"),
            ["blobs", var algorithm, _, var hex] => ("blob", $"{algorithm}:{hex}"),
            _ => ("other", from),
        };
    }

    /// <summary>What the trash has of one repository, and the bytes of all content in it.</summary>
    private sealed class Found
    {
        /// <summary>The pushed root on the disk, and the copy of a shared one.</summary>
        public static readonly string[] Pushed = ["docker/registry/v2/", "gateway/shared/v2/"];

        private readonly List<(TagName Tag, Digest Digest)> _tags = [];

        public Found(RepositoryName name, IEnumerable<TrashEntry> entries)
        {
            foreach (var entry in entries)
            {
                var (what, of) = PlaceOf(entry.From);
                if (what == "blob" && Digest.TryParse(of, out var content)) Contents.TryAdd(content, entry);
                if (what == "manifest" && of.Split('@') is [var path, var text] && path == name.Value
                    && Digest.TryParse(text, out var digest) && Links.TryAdd(digest, entry))
                    Manifests.Add(digest);
                if (what == "tag" && of.StartsWith(name.Value + ':', StringComparison.Ordinal)
                    && TagName.TryParse(of.AsSpan(name.Value.Length + 1), out var tag)
                    && SmallFiles.ReadLink($"{entry.Place}/current/link") is { IsEmpty: false } bound)
                    _tags.Add((tag, bound));
            }
        }

        /// <summary>The manifests, the latest removal first.</summary>
        public List<Digest> Manifests { get; } = [];

        /// <summary>The folders of their links.</summary>
        public Dictionary<Digest, TrashEntry> Links { get; } = [];

        public Dictionary<Digest, TrashEntry> Contents { get; } = [];

        /// <summary>What was already brought back, or cannot be.</summary>
        public HashSet<Digest> Tried { get; } = [];

        /// <summary>What cannot be brought back: an index that names it stays in the trash too.</summary>
        public HashSet<Digest> Failed { get; } = [];

        public IEnumerable<(TagName Tag, Digest Digest)> EvidenceTags =>
            _tags.Where(static tag => !EvidenceNotes.SubjectOf(tag.Tag, tag.Digest).IsEmpty);

        public IEnumerable<TagName> TagsOf(Digest digest) =>
            _tags.Where(tag => tag.Digest == digest).Select(static tag => tag.Tag).Distinct();
    }
}
