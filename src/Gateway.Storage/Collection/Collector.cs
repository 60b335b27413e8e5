namespace Gateway.Storage;

/// <summary>
/// Removes what nothing needs any more, while the gateway serves (docs/design/0019-collection.md): links of blobs that no manifest of the
/// repository names, evidence of deleted subjects, manifests that nothing refers to if asked, and bytes that no repository links.
/// </summary>
public sealed class Collector
{
    /// <summary>How often a wait for the grace time looks again: a reload may change the grace time. Chosen.</summary>
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    private readonly Roots _roots;
    private readonly StoredRepositories _repositories;
    private readonly VolumeContent _content;
    private readonly ManifestFiles _files;
    private readonly Uploads _uploads;
    private readonly StagedContent _staged;
    private readonly Eviction _eviction;
    private readonly RecentUses _uses;
    private readonly Trash _trash;
    private readonly VolumeHealth _health;
    private readonly Committer _committer;
    private readonly Damage _damage;
    private readonly TimeProvider _clock;

    internal Collector(
        Roots roots, StoredRepositories repositories, VolumeContent content, ManifestCache manifests, Uploads uploads, StagedContent staged,
        Eviction eviction, RecentUses uses, Trash trash, VolumeHealth health, Committer committer, Damage damage, TimeProvider clock)
    {
        (_roots, _repositories, _content, _uploads, _staged) = (roots, repositories, content, uploads, staged);
        (_eviction, _uses, _trash, _health, _committer) = (eviction, uses, trash, health, committer);
        (_damage, _clock) = (damage, clock);
        _files = new(manifests, content, roots.All);
    }

    /// <summary>Ends when content can be collected: the lookup index is open, or off, and cached content is counted.</summary>
    internal Task Ready { get; init; } = Task.CompletedTask;

    /// <summary>Collects pushed content in a bucket; null when it is on the disk.</summary>
    internal SharedCollection? Shared { get; init; }

    /// <summary>
    /// How much pushed content in a bucket is condemned: a collection removes it after the grace time, unless a gateway uses it before. 0
    /// without a bucket.
    /// </summary>
    public long Condemned => Shared?.Condemned ?? 0;

    /// <summary>See <see cref="DigestSet.MaxSlots"/>.</summary>
    internal int MaxSlots { get; set; } = DigestSet.MaxSlots;

    /// <summary>Sets the limits of the configuration.</summary>
    /// <param name="grace">How long content stays that was used by a pusher and that nothing names.</param>
    /// <param name="trash">How long removed content can be restored.</param>
    public void Limit(TimeSpan grace, TrashLimits trash) => (_uses.Grace, _trash.Limits) = (grace, trash);

    private string? WhyNot =>
        _health.WhyNotReplayed ?? _health.WhyNoWrites ?? (_committer.HasUnapplied ? "changes wait for the disk" : null);

    /// <summary>
    /// Waits until the uses of the whole grace time are known: before that, a collection removes nothing. Throws <see
    /// cref="OperationCanceledException"/>.
    /// </summary>
    public async Task UsesKnownAsync(Action<CollectionProgress> report, CancellationToken stop)
    {
        ArgumentNullException.ThrowIfNull(report);
        while (_uses.Missing is var missing && missing > TimeSpan.Zero)
        {
            report(new("waits for gc.grace", (long)Math.Max(0, (_uses.Grace - missing).TotalSeconds), "seconds"));
            await Task.Delay(missing < LookEvery ? missing : LookEvery, _clock, stop);
        }
    }

    /// <summary>Collects once. Throws <see cref="IOException"/> with one line when the volume accepts no removals.</summary>
    /// <param name="report">Receives the progress; called often.</param>
    public async Task<CollectionReport> RunAsync(
        CollectionRequest request, Action<CollectionProgress> report, CancellationToken stop)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(report);
        // From here on no use is forgotten until the end.
        using var hold = _uses.Hold();
        if (WhyNot is { } why) throw new IOException($"nothing can be collected: {why}");
        await Ready.WaitAsync(stop);
        var tally = new CollectionTally(request.IsDryRun);
        var run = new CollectionRun(_files, _uses, _clock, request, tally, report, stop);
        await SweepUploadsAndTrashAsync(run);
        if (_uses.Missing is { } missing && missing > TimeSpan.Zero)
            tally.Note($"The gateway knows which content is in use only when it has run for gc.grace; wait another {Text(missing)}.");
        await new StagedCollection(_repositories, _roots.Staged, _staged, run).RunAsync();
        Root[] roots = Shared is not null ? [_roots.Cached] : [_roots.Pushed, _roots.Cached];
        foreach (var root in roots) await CollectAsync(root, run);
        if (Shared is not null) await Shared.RunAsync(run);
        return tally.Report() with { HasTrash = Shared is null };
    }

    private async Task CollectAsync(Root root, CollectionRun run)
    {
        var name = root.Lifetime.ToString().ToLowerInvariant();
        for (var from = 0UL; ;)
        {
            var (linked, done) = (new DigestSet(from, MaxSlots), 0L);
            var repositories = new RepositoryCollection(_content, run, linked);
            string? unwalked = null;
            foreach (var path in RepositoryFolders.In(root, link => unwalked ??= link))
            {
                run.Report(new($"{name}: links", done++, "repositories"));
                await repositories.RunAsync(_repositories.Of(root, path));
            }
            if (unwalked is not null)
            {
                // The content of the repositories behind it is not known.
                run.Tally.Unwalked(root, unwalked);
                return;
            }
            if (repositories.IsTargetUnknown) return;
            // Without a link here, it can be a copy of pushed content in a bucket: eviction removes it when its room is needed.
            if (root.Lifetime == Lifetime.Cached && _content.HasCopies) return;
            done = 0;
            foreach (var (digest, data) in RepositoryFolders.Contents(root))
            {
                run.Report(new($"{name}: content", done++, "blobs and manifests"));
                await run.RestAsync();
                if (linked.Covers(digest) && !linked.Contains(digest)) Remove(root, digest, data, run);
            }
            foreach (var (lifetime, digest, _) in run.Request.IsDryRun ? [] : _damage.Aside)
            {
                // Damaged content that nothing needs any more.
                if (lifetime == root.Lifetime && linked.Covers(digest) && !linked.Contains(digest) && !_uses.IsRecent(digest))
                    _damage.Healed(root, digest);
            }
            // Most stores are done after one walk.
            if (linked.Last == ulong.MaxValue) return;
            from = linked.Last + 1;
        }
    }

    private void Remove(Root root, Digest digest, string data, CollectionRun run)
    {
        if (Disk.Find(data) is not { IsFolder: false } file) return;
        // Bytes that another root has too are not freed.
        var bytes = file.Names > 1 ? 0 : file.Length;
        if (_uses.IsYoung(file.Written) || _uses.IsRecent(digest)) run.Tally.Recent++;
        else if (run.Request.IsDryRun || TryRemove(root, digest)) run.Tally.Content(root, digest, bytes);
        else run.Tally.Recent++;
    }

    // False when the content was used just now.
    private bool TryRemove(Root root, Digest digest)
    {
        if (root.Lifetime == Lifetime.Cached)
        {
            // A cached blob that is missing is fetched again.
            _eviction.Purge(digest);
            return true;
        }
        // The cache has the same file: it counts the bytes from now on, and the trash must not have a third name of them.
        var isCached = Disk.Find(_roots.Cached.Data(digest)) is not null;
        if (!_content.Collect(root.Lifetime, digest, () => _uses.IsRecent(digest), toTrash: !isCached)) return false;
        if (Disk.Find(_roots.Cached.Data(digest)) is { Names: 1, Length: var size }) _eviction.Stored(digest, size);
        return true;
    }

    private async Task SweepUploadsAndTrashAsync(CollectionRun run)
    {
        run.Tally.Uploads = await _uploads.CountExpiredAsync(run.Stop);
        if (!run.Request.IsDryRun) await _uploads.SweepAsync(run.Stop);
        run.Tally.TrashBytes = run.Request.IsDryRun ? _trash.Expired() : _trash.Empty();
    }

    private static string Text(TimeSpan time) =>
        time.TotalMinutes >= 2 ? $"{Math.Ceiling(time.TotalMinutes):0} min" : $"{Math.Ceiling(time.TotalSeconds):0} s";
}
