using System.Collections.Concurrent;

namespace Gateway.Storage;

/// <summary>
/// The bytes of content, in whichever root they are. A root that is asked first is the one of the repository; the others follow, because
/// all bytes of a digest are the same.
/// </summary>
public sealed class VolumeContent : IContentLookup
{
    private readonly (Lifetime Lifetime, IContentStore Store)[] _roots;

    // The same, in the order in which they are asked: another machine is asked after the local disk.
    private readonly (Lifetime Lifetime, IContentStore Store)[] _stores;
    private readonly ContentFiles _cached;
    private readonly VolumeHealth _health;
    private readonly Eviction _eviction;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<Digest, Lazy<Task<Examined>>> _examining = new();

    internal VolumeContent(
        IContentStore pushed, ContentFiles cached, IContentStore staged, VolumeHealth health, Eviction eviction,
        ILogger logger)
    {
        _roots = [(Lifetime.Pushed, pushed), (Lifetime.Cached, cached), (Lifetime.Staged, staged)];
        _stores = [.. _roots.OrderBy(static each => each.Store is not ContentFiles)];
        (_cached, _health, _eviction, _logger) = (cached, health, eviction, logger);
        foreach (var files in _stores.Select(static each => each.Store).OfType<ContentFiles>())
            files.Suspected = digest => _ = ExamineAsync(digest);
    }

    /// <summary>The store of one root.</summary>
    internal IContentStore Of(Lifetime lifetime) => _roots[(int)lifetime - 1].Store;

    /// <inheritdoc/>
    public ValueTask<long?> FindAsync(Digest digest, long size, CancellationToken cancellationToken)
    {
        for (var i = 0; i < _stores.Length; i++)
        {
            var finding = _stores[i].Store.FindAsync(digest, size, cancellationToken);
            if (!finding.IsCompletedSuccessfully) return FindRestAsync(finding, i + 1, digest, size, cancellationToken);
            if (finding.Result is { } length) return new(length);
        }
        return default;
    }

    private async ValueTask<long?> FindRestAsync(
        ValueTask<long?> finding, int next, Digest digest, long size, CancellationToken cancellationToken)
    {
        var found = await finding;
        for (; found is null && next < _stores.Length; next++) found = await _stores[next].Store.FindAsync(digest, size, cancellationToken);
        return found;
    }

    /// <inheritdoc/>
    public async ValueTask<IContent?> OpenAsync(Digest digest, long size, CancellationToken cancellationToken) =>
        (await OpenAsync(Lifetime.Staged, digest, digest, size, cancellationToken)).Content;

    /// <summary>Opens content from this root, or from the others if this one does not have it.</summary>
    /// <param name="size">See <see cref="FindAsync"/>.</param>
    internal ValueTask<Opened> OpenAsync(
        Lifetime first, Digest digest, Digest requested, long size, CancellationToken cancellationToken)
    {
        var opening = Of(first).OpenAsync(digest, requested, size, cancellationToken);
        if (!opening.IsCompletedSuccessfully) return OpenRestAsync(opening, first, digest, requested, size, cancellationToken);
        var opened = opening.Result;
        if (opened.Content is null) return OpenElsewhereAsync(opened.IsUnfit, first, digest, requested, size, cancellationToken);
        _eviction.Used(digest);
        return new(opened);
    }

    private async ValueTask<Opened> OpenRestAsync(
        ValueTask<Opened> opening, Lifetime first, Digest digest, Digest requested, long size, CancellationToken cancellationToken)
    {
        var opened = await opening;
        if (opened.Content is null) return await OpenElsewhereAsync(opened.IsUnfit, first, digest, requested, size, cancellationToken);
        _eviction.Used(digest);
        return opened;
    }

    private async ValueTask<Opened> OpenElsewhereAsync(
        bool isUnfit, Lifetime first, Digest digest, Digest requested, long size, CancellationToken cancellationToken)
    {
        foreach (var (lifetime, store) in _stores)
        {
            if (lifetime == first) continue;
            Opened other;
            try
            {
                other = await store.OpenAsync(digest, requested, size, cancellationToken);
            }
            catch (IOException) when (IsDispensable(first, store))
            {
                continue;
            }
            isUnfit |= other.IsUnfit;
            if (other.Content is null) continue;
            _eviction.Used(digest);
            return other with { IsUnfit = isUnfit };
        }
        return new(null, isUnfit);
    }

    // Cached content is fetched again, and staged content is on the local disk: neither waits for a bucket that is away.
    private static bool IsDispensable(Lifetime first, IContentStore store) => first != Lifetime.Pushed && store is not ContentFiles;

    /// <summary>Whether the cached root also has copies of pushed content, whose truth is in another store.</summary>
    internal bool HasCopies => Of(Lifetime.Pushed) is not ContentFiles;

    /// <summary>Whether clients may be sent to another store for large pushed content.</summary>
    internal bool Redirects => Of(Lifetime.Pushed) is BucketContents { Redirects: true };

    /// <summary>The address of pushed content in another store; see <see cref="StoredRepository.RedirectAsync"/>.</summary>
    /// <param name="size">See <see cref="FindAsync"/>.</param>
    internal ValueTask<Uri?> RedirectAsync(Digest digest, long size, CancellationToken cancellationToken) =>
        Of(Lifetime.Pushed) is BucketContents { Redirects: true } bucket ? bucket.RedirectAsync(digest, size, cancellationToken) : default;

    /// <summary>
    /// Removes the bytes of a root of the local disk that nothing links, unless they are in use; false when they are. Content in another
    /// store is not collected here.
    /// </summary>
    internal bool Collect(Lifetime lifetime, Digest digest, Func<bool> isInUse, bool toTrash) =>
        Of(lifetime) is ContentFiles files && files.Remove(digest, evenIfRead: true, isInUse, toTrash);

    /// <summary>
    /// Moves a file of removed pushed content back to its place, durably. False when pushed content is not on the local disk.
    /// </summary>
    internal bool Restore(string file, Digest digest)
    {
        if (Of(Lifetime.Pushed) is not ContentFiles files) return false;
        files.Restore(file, digest);
        return true;
    }

    /// <summary>Notes a use of some content, which decides when it is evicted.</summary>
    internal void Used(Digest digest) => _eviction.Used(digest);

    /// <summary>
    /// Reads a document whole, from this root or then the others, and checks its digest; null when it is in no root, or longer than any
    /// manifest.
    /// </summary>
    internal async ValueTask<byte[]?> ReadDocumentAsync(Lifetime first, Digest digest, CancellationToken cancellationToken)
    {
        foreach (var (lifetime, store) in _stores.OrderBy(each => each.Lifetime != first))
        {
            byte[]? bytes;
            try
            {
                bytes = await store.ReadAsync(digest, StoredManifest.ReadBackLimits.MaxBytes, cancellationToken);
            }
            catch (IOException) when (IsDispensable(first, store))
            {
                continue;
            }
            if (bytes is null) continue;
            if (Digest.Of(bytes, digest.Algorithm) == digest) return bytes;
            await ExamineAsync(lifetime, store, digest);
        }
        return null;
    }

    /// <summary>
    /// Reads some content to its end in every root that has it. The digest decides whether the bytes or the recorded length is wrong.
    /// Concurrent callers share one reading. A damaged cached file is removed; it can be fetched again.
    /// </summary>
    internal Task<Examined> ExamineAsync(Digest digest) => _examining.GetOrAdd(digest, d => new(() => ExamineAllAsync(d))).Value;

    private async Task<Examined> ExamineAllAsync(Digest digest)
    {
        // The caller's thread must not run the whole reading within the dictionary.
        await Task.Yield();
        try
        {
            var result = new Examined(null, IsDamaged: false);
            foreach (var (lifetime, store) in _stores)
            {
                var examined = await ExamineAsync(lifetime, store, digest);
                result = new(examined.Length ?? result.Length, result.IsDamaged || examined.IsDamaged);
            }
            return result;
        }
        finally
        {
            _examining.TryRemove(digest, out _);
        }
    }

    private async ValueTask<Examined> ExamineAsync(Lifetime lifetime, IContentStore store, Digest digest)
    {
        var examined = await store.ExamineAsync(digest, CancellationToken.None);
        if (!examined.IsDamaged || lifetime != Lifetime.Cached) return examined;
        _eviction.Purge(digest);
        return default;
    }

    /// <summary>
    /// Waits until the links of purged content are removed, so that they do not take along those of the same content when it is fetched.
    /// </summary>
    internal ValueTask LinksRemovedAsync(TimeSpan most, CancellationToken stop) => _eviction.EvictedNotes.RemovedAsync(most, stop);

    /// <summary>Stores the bytes of a document in a root, durably.</summary>
    internal ValueTask WriteAsync(Lifetime lifetime, Digest digest, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        _health.CheckRoom(lifetime);
        return Of(lifetime).PutAsync(digest, bytes, Put.Durable, cancellationToken);
    }

    /// <summary>
    /// Stores the bytes of a document in a root of the local disk before the journal has them. False when that is not possible now: the
    /// change then stores them, or says why it cannot.
    /// </summary>
    internal bool TryPlace(Lifetime lifetime, Digest digest, ReadOnlyMemory<byte> bytes)
    {
        if (Of(lifetime) is not ContentFiles files) return false;
        try
        {
            _health.CheckRoom(lifetime);
            files.Place(digest, bytes.Span, Put.Journaled);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>
    /// Whether a root of the local disk has some content whose use the caller has noted before. The collector may be about to move a
    /// file away that nothing links yet; under its lock, the file is there to stay or gone.
    /// </summary>
    /// <param name="size">See <see cref="FindAsync"/>.</param>
    internal bool HasInPlace(Lifetime lifetime, Digest digest, long size) =>
        Of(lifetime) is ContentFiles files && files.HasInPlace(digest, size);

    /// <summary>
    /// Stores the bytes of another root in this one, durably: the other root may remove them from then on. Throws
    /// <see cref="FileNotFoundException"/> when no root has them any more.
    /// </summary>
    /// <param name="size">See <see cref="FindAsync"/>.</param>
    internal async ValueTask BorrowAsync(Lifetime into, Digest digest, long size, CancellationToken cancellationToken)
    {
        var to = Of(into);
        if (to is ContentFiles ? HasInPlace(into, digest, size) : await to.FindAsync(digest, size, cancellationToken) is not null) return;
        IContentStore? from = null;
        foreach (var (lifetime, store) in _stores)
        {
            if (lifetime != into && from is null && await store.FindAsync(digest, size, cancellationToken) is not null) from = store;
        }
        if (from is null) throw new FileNotFoundException($"expected the bytes of {digest} in some root, got none");
        await to.BorrowAsync(digest, size, from, cancellationToken);
        if (into != Lifetime.Cached && _cached.IsShared(digest)) _eviction.Forget(digest);
    }

    /// <summary>
    /// Copies content to the cache when it has been forwarded to its upstream, if its bytes are stored and the cache has room. Otherwise
    /// the next request fetches it.
    /// </summary>
    public async ValueTask GiveToCacheAsync(Digest digest, long size, CancellationToken cancellationToken)
    {
        if (_cached.Find(digest, size) is not null || size > _eviction.MaxBytes || _health.FreeBytes < _health.KeepFree) return;
        try
        {
            _eviction.MakeRoom(DiskCost.OfContent(size));
            await BorrowAsync(Lifetime.Cached, digest, size, cancellationToken);
            if (!_cached.IsShared(digest)) _eviction.Stored(digest, size);
        }
        catch (IOException e)
        {
            Log.NotGiven(_logger, e, digest);
        }
    }
}
