using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// Removes what nothing needs any more, while the gateway serves (docs/design/0018-collection.md): links of blobs that no manifest of the
/// repository names, evidence of deleted subjects, manifests that nothing refers to if asked, and bytes that no repository links.
/// </summary>
/// <param name="maxSlots">See <see cref="DigestSet.MaxSlots"/>.</param>
public sealed class Collector(Volume volume, TimeProvider clock, int maxSlots = DigestSet.MaxSlots)
{
    /// <summary>Collects once. Throws <see cref="IOException"/> with one line when the volume accepts no removals.</summary>
    /// <param name="report">Receives the progress; called often.</param>
    public async Task<CollectionReport> RunAsync(
        CollectionRequest request, Action<CollectionProgress> report, CancellationToken stop)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(report);
        // From here on no use is forgotten until the end.
        using var hold = volume.Uses.Hold();
        if (volume.WhyNoCollection is { } why) throw new IOException($"nothing can be collected: {why}");
        await volume.IndexOpened.WaitAsync(stop);
        await volume.Eviction.Counted.WaitAsync(stop);
        var tally = new CollectionTally(request.IsDryRun);
        SweepUploadsAndTrash(request, tally);
        if (volume.Uses.Missing is { } missing && missing > TimeSpan.Zero)
            tally.Note($"The gateway knows which content is in use only when it has run for gc.grace; wait another {Text(missing)}.");
        var pace = new WorkPace(clock);
        await new StagedCollection(volume, clock, request, tally, pace).RunAsync(report, stop);
        foreach (var root in (Root[])[volume.PushedRoot, volume.CachedRoot]) await CollectAsync(root, request, tally, pace, report, stop);
        return tally.Report();
    }

    private async Task CollectAsync(
        Root root, CollectionRequest request, CollectionTally tally, WorkPace pace, Action<CollectionProgress> report,
        CancellationToken stop)
    {
        var name = root.Lifetime.ToString().ToLowerInvariant();
        for (var from = 0UL; ;)
        {
            var (linked, done) = (new DigestSet(from, maxSlots), 0L);
            var repositories = new RepositoryCollection(volume, clock, request, tally, linked, pace);
            foreach (var path in RepositoryFolders.In(root))
            {
                report(new($"{name}: links", done++, "repositories"));
                await repositories.RunAsync(new StoredRepository(volume, root, path), stop);
            }
            done = 0;
            foreach (var (digest, data) in RepositoryFolders.Contents(root))
            {
                report(new($"{name}: content", done++, "blobs and manifests"));
                await pace.RestAsync(stop);
                if (linked.Covers(digest) && !linked.Contains(digest)) Remove(root, digest, data, request, tally);
            }
            // Most stores are done after one walk.
            if (linked.Last == ulong.MaxValue) return;
            from = linked.Last + 1;
        }
    }

    private void Remove(Root root, Digest digest, string data, CollectionRequest request, CollectionTally tally)
    {
        if (Disk.Find(data) is not { IsFolder: false } file) return;
        // Bytes that another root has too are not freed.
        var bytes = file.Names > 1 ? 0 : file.Length;
        if (volume.Uses.IsYoung(file.Written) || volume.Uses.IsRecent(digest)) tally.Recent++;
        else if (request.IsDryRun || TryRemove(root, digest, file)) tally.Content(root, digest, bytes);
        else tally.Recent++;
    }

    // False when the content was used just now.
    private bool TryRemove(Root root, Digest digest, FileFacts file)
    {
        if (root.Lifetime == Lifetime.Cached)
        {
            // A cached blob that is missing is fetched again.
            volume.Eviction.Purge(digest);
            return true;
        }
        lock (volume.ByteLocks.Of(digest))
        {
            if (volume.Uses.IsRecent(digest)) return false;
            var folder = Path.GetDirectoryName(root.Data(digest))!;
            // The cache has the same file: it counts the bytes from now on, and the trash must not have a third name of them.
            var isCached = Disk.Find(volume.CachedRoot.Data(digest)) is not null;
            volume.OpenFiles.TryRemove(root.Lifetime, digest, evenIfRead: true, () =>
            {
                if (isCached) Directory.Delete(folder, recursive: true);
                else volume.Trash.Take(folder, DiskCost.OfContent(file.Length));
            });
            volume.Manifests.Remove(digest);
            volume.Damage.Healed(root, digest);
        }
        if (Disk.Find(volume.CachedRoot.Data(digest)) is { Names: 1, Length: var size }) volume.Eviction.Stored(digest, size);
        return true;
    }

    private void SweepUploadsAndTrash(CollectionRequest request, CollectionTally tally)
    {
        tally.Uploads = volume.Uploads.CountExpired();
        if (!request.IsDryRun) volume.Uploads.Sweep();
        tally.TrashBytes = request.IsDryRun ? volume.Trash.Expired() : volume.Trash.Empty();
    }

    private static string Text(TimeSpan time) =>
        time.TotalMinutes >= 2 ? $"{Math.Ceiling(time.TotalMinutes):0} min" : $"{Math.Ceiling(time.TotalSeconds):0} s";
}
