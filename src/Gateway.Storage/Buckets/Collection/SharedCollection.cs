using System.Runtime.CompilerServices;

namespace Gateway.Storage;

/// <summary>
/// Collects pushed content in a bucket: links by the logs of the repositories, then bytes (<see cref="BucketCollection"/>). What nothing
/// needs is condemned; the job waits for the grace time, and removes what no gateway has used or linked since
/// (docs/design/0025-bucket-collection.md).
/// </summary>
internal sealed class SharedCollection(
    SharedLogs logs, StoredRepositories repositories, Root root, VolumeContent content, TimeProvider clock)
{
    /// <summary>How often a wait for the grace time looks again: one small read. Chosen.</summary>
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The shortest wait: every gateway has then read the list by its poll, and has spared what its clients found.
    /// </summary>
    private static readonly TimeSpan LeastWait = SharedPoll.Every + TimeSpan.FromSeconds(2);

    /// <summary>
    /// Times that the links of a repository are walked again because a push referred to content meanwhile. Chosen: the next collection
    /// removes what a busy repository keeps.
    /// </summary>
    private const int MaxWalks = 3;

    /// <summary>Times that a head is read again because a snapshot was made meanwhile. Chosen: one is made in 1,000 changes.</summary>
    private const int MaxAgain = 4;

    private readonly BucketLeftovers _leftovers = new(logs, clock);
    private readonly Lock _lock = new();
    private bool _isProbed;

    private SharedStore Shared => logs.Shared;

    /// <summary>How much content is condemned, as of the last look.</summary>
    public long Condemned => logs.Gate.Known.State is { Phase: not CollectionPhase.Done } state
        ? Math.Max(0, state.Count - state.Done - state.Spared.Length)
        : 0;

    /// <summary>Collects once. What the bucket prevents is noted; the next collection continues.</summary>
    public async Task RunAsync(CollectionRun run)
    {
        if (!Shared.Collects)
        {
            run.Tally.Note(run.Request.IsDryRun
                ? "Of this, pushed content stays in the bucket unless storage.s3.collect is set on all gateways"
                : "Pushed content in the bucket is not removed; to remove it, set storage.s3.collect on all gateways");
            if (!run.Request.IsDryRun) return;
        }
        try
        {
            await CollectAsync(run);
        }
        catch (CollectionTakenException e)
        {
            run.Tally.Note($"pushed: {e.Message}; the next collection removes what remains");
        }
        catch (Exception e) when (e is NewerRecordException or UnreadableLogException)
        {
            run.Tally.Note($"pushed: {e.Message}");
        }
    }

    private async Task CollectAsync(CollectionRun run)
    {
        // All copies are as new as the bucket.
        await repositories.PollAsync(run.Stop);
        if (run.Request.IsDryRun)
        {
            await MarkAsync(run, run.Tally);
            return;
        }
        if (await WhyNotAsync(run.Stop) is { } why)
        {
            run.Tally.Note(why);
            return;
        }
        // What an earlier collection condemned comes first.
        if (await TryRemoveAsync(run) || logs.Gate.Known.State is not { Phase: not CollectionPhase.Done })
        {
            var marked = await MarkAsync(run, new(isDryRun: true));
            if (marked.Count == 0) return;
            if (marked.Count > CondemnedList.MaxDigests)
            {
                run.Tally.Note($"pushed: {marked.Count} blobs and manifests are not needed; this collection removes the first "
                    + $"{CondemnedList.MaxDigests}, and the next one continues");
            }
            var collection = new BucketCollection(logs.Collections, logs.Gate, FenceAsync);
            await collection.CondemnAsync(
                new([.. marked.Take(CondemnedList.MaxDigests)]), await LastFenceAsync(), run.Stop);
        }
        while (!await TryRemoveAsync(run))
        {
            if (logs.Gate.Known.State is not { Phase: CollectionPhase.Condemned }) return;
            var waited = logs.Gate.RunSeenFor;
            run.Report(new("pushed: waits for gc.grace", (long)waited.TotalSeconds, "seconds"));
            await Task.Delay(LookEvery, clock, run.Stop);
        }
    }

    // An operator may have removed the state, or brought an earlier one back, and not the heads.
    private async Task<long> LastFenceAsync()
    {
        var last = 0L;
        foreach (var path in RepositoryFolders.In(root, static _ => { }))
        {
            var fence = repositories.Of(root, path).State.Fence;
            // Unchanged since the start, so the head was not read.
            if (fence < 0) fence = (await logs.ObjectsOf(path).ReadAsync(null)).Head?.Fence ?? 0;
            last = Math.Max(last, fence);
        }
        return last;
    }

    /// <summary>Why the store's removals are not safe; null when they are, which is asked once.</summary>
    private async Task<string?> WhyNotAsync(CancellationToken stop)
    {
        if (_isProbed) return null;
        var why = await _leftovers.WhyNotDatedAsync(stop);
        _isProbed = why is null;
        return why;
    }

    /// <summary>Finds what nothing needs: content of links that would be removed, and bytes without a link.</summary>
    private async Task<IReadOnlyList<(Digest Digest, long Length)>> MarkAsync(CollectionRun run, CollectionTally tally)
    {
        var (unlinked, linked, done) = (tally.UnlinkedContent, new DigestSet(), 0L);
        var dry = run with { Request = run.Request with { IsDryRun = true }, Tally = tally };
        string? unwalked = null;
        foreach (var path in RepositoryFolders.In(root, link => unwalked ??= link))
        {
            run.Report(new("pushed: links", done++, "repositories"));
            await new RepositoryCollection(content, dry, linked).RunAsync(repositories.Of(root, path));
        }
        if (unwalked is not null)
        {
            run.Tally.Unwalked(root, unwalked);
            return [];
        }
        var marked = new List<(Digest, long)>();
        var blobs = $"{Shared.Prefix}docker/registry/v2/blobs/";
        await foreach (var one in Shared.Bucket.ListAsync(blobs, null, run.Stop))
        {
            run.Report(new("pushed: content", done++, "objects"));
            if (one.Key[blobs.Length..].Split('/') is not [var algorithm, _, var hex, "data"]
                || !Digest.TryParse($"{algorithm}:{hex}", out var digest) || !linked.Covers(digest))
                continue;
            var hasLink = linked.Contains(digest);
            if (hasLink && !unlinked.Contains(digest)) continue;
            var isUnknown = !hasLink && !unlinked.Contains(digest);
            if (run.Uses.IsRecent(digest) || (isUnknown && run.Uses.IsYoung(one.Facts.Written))) tally.Recent++;
            else
            {
                marked.Add((digest, one.Facts.Length));
                if (run.Request.IsDryRun && !hasLink) tally.Content(root, digest, one.Facts.Length);
            }
        }
        return marked;
    }

    /// <summary>Removes what was condemned at least the grace time ago; false when there is nothing yet.</summary>
    private async Task<bool> TryRemoveAsync(CollectionRun run)
    {
        var collection = new BucketCollection(logs.Collections, logs.Gate, FenceAsync);
        if (await collection.BeginAsync(run.Uses.Grace > LeastWait ? run.Uses.Grace : LeastWait, run.Stop) is not { } begun) return false;
        try
        {
            await repositories.PollAsync(run.Stop);
            var condemned = run with { Request = run.Request with { Allows = digest => MayRemove(begun.List, digest) } };
            var done = 0L;
            foreach (var path in RepositoryFolders.In(root, static _ => { }))
            {
                run.Report(new("pushed: links", done++, "repositories"));
                await RemoveLinksAsync(repositories.Of(root, path), condemned);
            }
            // Before the heads are replaced: what no head names then is never named.
            var parts = await _leftovers.ListAsync(run.Stop);
            run.Report(new("pushed: content", 0, "blobs and manifests"));
            // The layout has no more of what was removed here.
            await logs.MirroredAsync(run.Stop);
            var layout = await LayoutLinks.ReadAsync(Shared, digest => begun.List.IndexOf(digest) is not null, run.Stop);
            await collection.RemoveAsync(begun.List, NamesAsync(layout.Names, run.Stop), layout.Digests, Removed, run.Stop);
            await _leftovers.RemoveAsync(parts, run.Stop);
            return true;
        }
        catch (Exception e) when (e is not CollectionTakenException)
        {
            await TryReleaseAsync(collection);
            throw;
        }

        void Removed(Digest digest, long length)
        {
            lock (_lock) run.Tally.Content(root, digest, length);
        }
    }

    private static async Task TryReleaseAsync(BucketCollection collection)
    {
        try
        {
            await collection.ReleaseAsync();
        }
        catch (IOException)
        {
            // Another gateway takes it over after some minutes.
        }
    }

    private bool MayRemove(CondemnedList list, Digest digest) =>
        list.IndexOf(digest) is { } index && logs.Gate.Known.State is { Phase: CollectionPhase.Removing } state && !state.IsSpared(index);

    private async Task RemoveLinksAsync(StoredRepository repository, CollectionRun run)
    {
        var found = new CollectionTally(isDryRun: true);
        var dry = run with { Request = run.Request with { IsDryRun = true }, Tally = found };
        await new RepositoryCollection(content, dry, new()).RunAsync(repository);
        if (found.UnlinkedContent.Count == 0) return;
        if (await WhyNotWholeAsync(repository) is { } why)
        {
            run.Tally.Note(
                $"{repository.Path}: {why}, so nothing of it is removed; stop the gateway and remove gateway/shared on its disk");
            return;
        }
        for (var walks = 0; walks < MaxWalks; walks++)
        {
            var before = repository.State.Referrals;
            await new RepositoryCollection(content, run, new()).RunAsync(repository);
            if (repository.State.Referrals == before) return;
        }
    }

    /// <summary>
    /// What this gateway's copy lacks of the log; null when it lacks nothing. What a damaged copy does not name can be needed.
    /// </summary>
    private async Task<string?> WhyNotWholeAsync(StoredRepository repository)
    {
        var names = await NamesOfAsync(repository.Path);
        var manifest = names.Manifests.FirstOrDefault(digest => !Disk.HasFile(repository.Root.ManifestLink(repository.Path, digest)));
        if (!manifest.IsEmpty) return $"the copy of the log on this disk lacks the manifest {manifest}";
        return names.Tags.Any(tag => repository.LiveOf(tag).IsEmpty) || names.Held.Except(repository.HeldPushes().Select(h => h.Tag)).Any()
            ? "the copy of the log on this disk lacks tags"
            : null;
    }

    /// <summary>Every repository that can have links: those with a head, those that this gateway knows, and those to be adopted.</summary>
    private async IAsyncEnumerable<string> NamesAsync(HashSet<string> names, [EnumeratorCancellation] CancellationToken stop)
    {
        names.UnionWith(RepositoryFolders.In(root, static _ => { }));
        await foreach (var found in Shared.Bucket.ListAsync(LogObjects.HeadsPrefix(Shared.Prefix), null, stop))
            names.Add(LogObjects.NameOf(found.Key, Shared.Prefix).ToString());
        foreach (var name in names.Where(static name => RepositoryName.TryParse(name, out _))) yield return name;
    }

    private async Task<IReadOnlySet<Digest>> FenceAsync(string name, long run)
    {
        var log = logs.Of(repositories.Pushed(RepositoryName.Parse(name)));
        await log.FenceAsync(run);
        if (log.Fence > run) throw new CollectionTakenException($"a later collection than {run} has begun");
        // The truth, not the copy: removed bytes do not come back.
        var names = await NamesOfAsync(name);
        return names.Manifests.Concat(names.Blobs).ToHashSet();
    }

    private async Task<LoggedNames> NamesOfAsync(string name)
    {
        var objects = logs.ObjectsOf(name);
        for (var again = 0; ; again++)
        {
            try
            {
                return LogFold.NamesOf(await objects.FoldAsync((await objects.ReadAsync(null)).Head!));
            }
            catch (LogPartMissingException) when (again < MaxAgain)
            {
                // Another replica has made a snapshot since.
            }
        }
    }
}
