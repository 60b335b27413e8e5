namespace Gateway.Storage;

/// <summary>The bytes of the manifests and blobs that the repository links.</summary>
public sealed partial class StoredRepository
{
    /// <inheritdoc/>
    public ValueTask<Result<StoredManifest>> ReadManifestAsync(Digest digest, CancellationToken cancellationToken)
    {
        var reading = FindManifestAsync(digest, cancellationToken);
        return reading.IsCompletedSuccessfully ? new(ResultOf(reading.Result, digest)) : ResultOfAsync(reading, digest);
    }

    private async ValueTask<Result<StoredManifest>> ResultOfAsync(ValueTask<StoredManifest?> reading, Digest digest) =>
        ResultOf(await reading, digest);

    private Result<StoredManifest> ResultOf(StoredManifest? found, Digest digest) =>
        found is { } manifest ? new Result<StoredManifest>.Found(manifest, CacheHandling.Hit)
        : IsDamaged(digest) ? Damaged<StoredManifest>(digest)
        : new Result<StoredManifest>.Absent(CacheHandling.Local);

    private bool IsDamaged(Digest manifest) =>
        _parts.Damage.Count > 0 && SmallFiles.ReadLink(Root.ManifestLink(Path, manifest)) is { IsEmpty: false } target
        && (_parts.Damage.IsKnown(Root, target) || _parts.Damage.IsAside(Root, target));

    /// <summary>
    /// Reads a manifest of this repository; null when there is no link to it, or its bytes are missing or damaged. Waits for bytes that
    /// are not on the local disk.
    /// </summary>
    public StoredManifest? ReadManifest(Digest digest) => FindManifestAsync(digest, CancellationToken.None).Wait();

    /// <summary>
    /// Keeps a manifest in memory, whether the repository has it or not: the committer, which serves all repositories, finds it there and
    /// does not wait for another machine.
    /// </summary>
    internal async ValueTask PreloadAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (_parts.Manifests.Find(digest) is null
            && await _parts.Content.ReadDocumentAsync(Root.Lifetime, digest, cancellationToken) is { } bytes
            && ManifestReader.Read(bytes, null, StoredManifest.ReadBackLimits).Manifest is { } manifest)
            _parts.Manifests.Add(new(digest, manifest, bytes));
    }

    private ValueTask<StoredManifest?> FindManifestAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (_parts.Links.Find(this, LinkKind.Manifest, digest) is not { } link) return default;
        _parts.Content.Used(digest);
        return _parts.Manifests.Find(digest) is { } known
            ? new(With(link.Verdict, known))
            : LoadManifestAsync(digest, link.Verdict, cancellationToken);
    }

    private static StoredManifest With(VerdictStamp verdict, StoredManifest manifest) =>
        verdict == manifest.Verdict ? manifest : manifest with { Verdict = verdict };

    private async ValueTask<StoredManifest?> LoadManifestAsync(Digest digest, VerdictStamp verdict, CancellationToken cancellationToken)
    {
        var target = SmallFiles.ReadLink(Root.ManifestLink(Path, digest));
        if (target.IsEmpty || await _parts.Content.ReadDocumentAsync(Root.Lifetime, target, cancellationToken) is not { } bytes)
            return null;
        var (manifest, _) = ManifestReader.Read(bytes, null, StoredManifest.ReadBackLimits);
        if (manifest is null) return null;
        foreach (var blob in manifest.Blobs)
        {
            // If the lookup index was lost, manifests state the expected lengths again.
            if (_parts.Links.Find(this, LinkKind.Blob, blob.Digest) is { IsMeasured: true } link)
                _parts.Links.Write(this, LinkKind.Blob, blob.Digest, link with { Size = blob.Size, IsMeasured = false });
        }
        var stored = new StoredManifest(digest, manifest, bytes);
        _parts.Manifests.Add(stored);
        return With(verdict, stored);
    }

    /// <inheritdoc/>
    public ValueTask<Result<IContent>> OpenBlobAsync(Digest digest, BlobUse use, CancellationToken cancellationToken)
    {
        if (_parts.Links.Find(this, LinkKind.Blob, digest) is not { } link)
            return ValueTask.FromResult<Result<IContent>>(new Result<IContent>.Absent(CacheHandling.Local));
        if (use.Kind == BlobUseKind.Head && !IsKept(digest))
            return ValueTask.FromResult<Result<IContent>>(new Result<IContent>.Absent(CacheHandling.Local));
        var target = link.IsAlias ? SmallFiles.ReadLink(Root.BlobLink(Path, digest)) : digest;
        // The link was removed meanwhile, or another program or a power cut has emptied its file.
        if (target.IsEmpty) return ValueTask.FromResult<Result<IContent>>(new Result<IContent>.Absent(CacheHandling.Local));
        var opening = _parts.Content.OpenAsync(Root.Lifetime, target, digest, link.Size, cancellationToken);
        return opening.IsCompletedSuccessfully
            ? Answer(opening.Result, digest, target, link, use, cancellationToken)
            : AnswerAsync(opening, digest, target, link, use, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<Uri?> RedirectAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (!_parts.Content.Redirects || Root.Lifetime != Lifetime.Pushed || _parts.Links.Find(this, LinkKind.Blob, digest) is not { } link)
            return default;
        var target = link.IsAlias ? SmallFiles.ReadLink(Root.BlobLink(Path, digest)) : digest;
        return _parts.Content.RedirectAsync(target, link.Size, cancellationToken);
    }

    /// <summary>
    /// Notes a use by a pusher, who relies on the answer; false when the collector's removal of the link was already decided. The use is
    /// noted first, and the collector looks at uses last: one of the two sees the other.
    /// </summary>
    private bool IsKept(Digest blob)
    {
        _parts.Uses.Note(blob);
        return !_state.IsLeaving(blob);
    }

    private async ValueTask<Result<IContent>> AnswerAsync(
        ValueTask<Opened> opening, Digest digest, Digest target, Link link, BlobUse use, CancellationToken cancellationToken) =>
        await Answer(await opening, digest, target, link, use, cancellationToken);

    private ValueTask<Result<IContent>> Answer(
        Opened opened, Digest digest, Digest target, Link link, BlobUse use, CancellationToken cancellationToken) =>
        opened.Content is { } content ? new(new Result<IContent>.Found(content, HandlingOf(opened, use)))
        : opened.IsUnfit ? SettleAsync(digest, target, link, cancellationToken)
        : new(new Result<IContent>.Absent(CacheHandling.Local));

    // Nothing is copied for a request that wants no bytes.
    private static CacheHandling HandlingOf(Opened opened, BlobUse use) => opened.Handling switch
    {
        null => CacheHandling.Hit,
        { Stored: true } copied when use.Kind == BlobUseKind.Head => copied with { Stored = false },
        var other => other,
    };

    /// <summary>
    /// The link has another size than the files. The digest decides: if the bytes are right, the size of the link is corrected.
    /// </summary>
    private async ValueTask<Result<IContent>> SettleAsync(
        Digest digest, Digest target, Link link, CancellationToken cancellationToken)
    {
        var examined = await _parts.Content.ExamineAsync(target);
        if (examined.Length is { } length)
        {
            _parts.Links.Write(this, LinkKind.Blob, digest, link with { Size = length, IsMeasured = false });
            var opened = await _parts.Content.OpenAsync(Root.Lifetime, target, digest, length, cancellationToken);
            if (opened.Content is { } content) return new Result<IContent>.Found(content, opened.Handling ?? CacheHandling.Hit);
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
    public async ValueTask<IContent?> OpenUnlinkedAsync(Digest digest, long? size, CancellationToken cancellationToken) =>
        (await _parts.Content.OpenAsync(Root.Lifetime, digest, digest, size ?? -1, cancellationToken)).Content;

    /// <inheritdoc/>
    public async ValueTask<Prefetched> PrefetchAsync(Descriptor blob, CancellationToken cancellationToken) => new(
        await _parts.Content.FindAsync(blob.Digest, blob.Size, cancellationToken) is null ? $"{blob.Digest} is not stored here" : null, 0);

    /// <inheritdoc/>
    public async ValueTask<bool> HasBytesAsync(LinkKind kind, Digest digest, long size, CancellationToken cancellationToken)
    {
        var target = SmallFiles.ReadLink(Root.Link(Path, kind, digest));
        if (target.IsEmpty) return false;
        _parts.Uses.Note(digest);
        _parts.Uses.Note(target);
        if (Root.Lifetime != Lifetime.Cached && _parts.Content.HasInPlace(Root.Lifetime, target, size)) return true;
        if (await _parts.Content.FindAsync(target, size, cancellationToken) is null)
        {
            if (kind == LinkKind.Manifest) return false;
            if (await OpenBlobAsync(digest, BlobUse.Head, cancellationToken) is not Result<IContent>.Found found) return false;
            await using var content = found.Value;
            size = content.Length ?? -1;
        }
        // A file that was removed by hand may still be in the manifest cache; it is removed from there.
        if (Root.Lifetime != Lifetime.Cached) await _parts.Content.BorrowAsync(Root.Lifetime, target, size, cancellationToken);
        return true;
    }
}
