namespace Gateway.Storage;

/// <summary>
/// The log of one repository, which several gateways share, and this replica's copy of what it says (docs/design/0022-buckets.md). One task
/// at a time reads the head, applies what is new, and appends changes, for all requests that wait.
/// </summary>
internal sealed partial class RepositoryLog(LogObjects objects, ILogState state, LogClock clock, ILogger logger)
{
    /// <summary>Changes in one write of the head. Chosen: with more, one slow request would delay many.</summary>
    private const int MaxBatch = 64;

    /// <summary>Times that a change is checked and sent again after another replica's change. Chosen: some 3 s with the pauses.</summary>
    private const int MaxTries = 16;

    /// <summary>Times that the head is read again because a snapshot was made meanwhile. Chosen: one is made in 1,000 changes.</summary>
    private const int MaxAgain = 4;

    /// <summary>How long a failure counts. Chosen: the delay until the end of an outage is noticed.</summary>
    private static readonly TimeSpan FailureLasts = TimeSpan.FromSeconds(1);

    private static readonly Dictionary<Guid, Change> None = [];

    private readonly HeadWriter _writer = new(objects, clock);
    private readonly Lock _lock = new();
    private readonly Queue<Pending> _changes = [];
    private TaskCompletionSource? _readers;
    private bool _isRunning;
    private long _validatedAt;
    private Failed? _failure;

    private sealed record Failed(Exception Why, long At);
    private sealed record Pending(Guid Id, Change Change, TaskCompletionSource<CommitResult> Done);

    /// <summary>Keeps distribution's layout up to date; null for no such layout.</summary>
    public RepositoryMirror? Mirror { get; init; }

    /// <summary>Makes a head for a repository that has none, where its links exist; null when they do not.</summary>
    public Func<Task<LogHead?>>? Adopt { get; init; }

    /// <summary>Is called after changes of this replica were made; must return at once. Null for nothing.</summary>
    public Action? Made { get; init; }

    /// <summary>When the list began that last showed a head with this ETag, as a time stamp; 0 when none did. Null without lists.</summary>
    public Func<string?, long>? ListedAt { get; init; }

    /// <summary>How long ago the read began that last showed the copy to be up to date; null when none did.</summary>
    public TimeSpan? SinceValidated =>
        Volatile.Read(ref _validatedAt) is var at && at == 0 ? null : clock.Time.GetElapsedTime(at);

    /// <summary>
    /// How long ago the read or the list began that last showed the copy to be up to date; null when none did. A list of some stores is
    /// older than that, so it says only that the copy can be served while the bucket is away.
    /// </summary>
    public TimeSpan? SinceKnown =>
        Math.Max(Volatile.Read(ref _validatedAt), ListedAt?.Invoke(ETag) ?? 0) is var at && at == 0 ? null : clock.Time.GetElapsedTime(at);

    /// <summary>Whether the last read failed, however long ago.</summary>
    public bool IsInDoubt => Volatile.Read(ref _failure) is not null;

    /// <summary>
    /// Why the last read failed, if that was less than a second ago; null otherwise. While the bucket is away, one request each second
    /// waits for it, and the others do not.
    /// </summary>
    public Exception? Failure =>
        Volatile.Read(ref _failure) is { } failure && clock.Time.GetElapsedTime(failure.At) < FailureLasts ? failure.Why : null;

    /// <summary>The ETag of the last head that is applied here; null for none.</summary>
    public string? ETag => state.Position.ETag;

    /// <summary>
    /// Makes the copy up to date: as of a read of the head that begins after the call, or began at most <paramref name="age"/> before it.
    /// Concurrent callers share a read. Throws <see cref="IOException"/> when the bucket does not answer.
    /// </summary>
    public Task ValidateAsync(TimeSpan age = default)
    {
        if (age > TimeSpan.Zero && SinceValidated is { } since && since < age) return Task.CompletedTask;
        lock (_lock)
        {
            _readers ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
            Start();
            return _readers.Task;
        }
    }

    /// <summary>
    /// Makes a change. Throws <see cref="StoreReadOnlyException"/> when it was not made, or that is not known: the client must push again.
    /// </summary>
    public Task<CommitResult> CommitAsync(Change change)
    {
        var pending = new Pending(clock.NewId(), change, new(TaskCreationOptions.RunContinuationsAsynchronously));
        lock (_lock)
        {
            _changes.Enqueue(pending);
            Start();
        }
        return pending.Done.Task;
    }

    /// <summary>Notes that a read failed, or took too long.</summary>
    public void Doubt(Exception why) => Volatile.Write(ref _failure, new(why, clock.Time.GetTimestamp()));

    private void Start()
    {
        if (_isRunning) return;
        _isRunning = true;
        _ = RunAsync();
    }

    private async Task RunAsync()
    {
        // The caller has the lock.
        await Task.Yield();
        for (KnownHead? known = null; ;)
        {
            TaskCompletionSource? readers;
            var changes = new List<Pending>();
            lock (_lock)
            {
                (readers, _readers) = (_readers, null);
                while (changes.Count < MaxBatch && _changes.TryDequeue(out var next)) changes.Add(next);
                if (readers is null && changes.Count == 0)
                {
                    _isRunning = false;
                    return;
                }
            }
            known = await TurnAsync(readers, changes, known);
        }
    }

    /// <summary>Validates for the readers, then makes the changes. Returns the head that is known afterwards.</summary>
    private async Task<KnownHead?> TurnAsync(TaskCompletionSource? readers, List<Pending> changes, KnownHead? known)
    {
        var isRead = false;
        try
        {
            if (readers is not null || known is null) known = await RefreshAsync(known, isHeadNeeded: changes.Count > 0);
            (_failure, isRead) = (null, true);
            readers?.TrySetResult();
            if (changes.Count == 0) return known;
            var began = clock.Time.GetTimestamp();
            known = await CommitAsync(changes, known!);
            BucketMetrics.CommitTook(clock.Time.GetElapsedTime(began));
            return known;
        }
        catch (Exception e)
        {
            // A write that was refused, or is not known to be done, says nothing about reads.
            if (!isRead || e is CopyUnwrittenException or not (StoreReadOnlyException or BucketException { IsDenied: true })) Doubt(e);
            readers?.TrySetException(e);
            // Each request reports it.
            _ = readers?.Task.Exception;
            if (changes.Count > 0) Log.NotStored(logger, e, objects.Name);
            foreach (var change in changes) change.Done.TrySetException(NotMade(e));
            return null;
        }
    }

    /// <summary>
    /// What a client sees when a change was not made. The cause names the bucket, its address and files: it is in the gateway's log.
    /// </summary>
    public static StoreReadOnlyException NotMade(Exception why) => why switch
    {
        StoreReadOnlyException known => known,
        UnreadableLogException unreadable => new(unreadable.ForClients, why),
        BucketException { IsDenied: true } denied => new(denied.ForClients, why),
        _ => new("the bucket of this registry could not be written; push again", why),
    };

    /// <summary>Reads the head unless it is the known one, and applies what is new.</summary>
    private async Task<KnownHead?> RefreshAsync(KnownHead? known, bool isHeadNeeded)
    {
        for (var again = 0; ; again++)
        {
            var began = clock.Time.GetTimestamp();
            try
            {
                var read = await objects.ReadAsync(known is not null || !isHeadNeeded ? state.Position.ETag : null);
                if (read is { ETag: null } && Adopt is { } adopt && await adopt() is not null) continue;
                if (read.Head is { } head)
                {
                    NoteFence(head);
                    await CatchUpAsync(head, read.ETag, None);
                    known = new(head, read.ETag);
                }
                Volatile.Write(ref _validatedAt, began);
                return known;
            }
            catch (LogPartMissingException) when (again < MaxAgain)
            {
                // Another replica has made a snapshot since.
            }
        }
    }

    /// <summary>Applies the changes of a head that the copy does not have.</summary>
    private async Task CatchUpAsync(LogHead head, string? etag, IReadOnlyDictionary<Guid, Change> own)
    {
        var (position, after) = (state.Position, new LogPosition(head.Sequence, head.Recent.LastOrDefault(), etag));
        if (position == after) return;
        // A change that is older than the ids may be one of another log: the bucket was replaced, or restored from a backup.
        var isSameLog = position.Sequence == 0 || head.IdOf(position.Sequence) == position.Id;
        var behind = head.Parts.Where(part => part.Last > position.Sequence).ToArray();
        if (!isSameLog || behind.Any(static part => part.IsSnapshot))
        {
            await state.ResetAsync(await objects.FoldAsync(head), after);
            return;
        }
        foreach (var part in behind)
        {
            LogRecord[] records = [.. (await objects.ReadAsync(part)).Where(r => r.Sequence > position.Sequence)];
            await state.ApplyAsync(records, new(part.Last, records[^1].Id, null), own);
        }
        await state.ApplyAsync([.. head.Tail.Where(r => r.Sequence > position.Sequence)], after, own);
    }

    /// <summary>
    /// Makes changes: checks them here, and appends them by one write of the head, which fails if any replica has changed the head since.
    /// </summary>
    private async Task<KnownHead?> CommitAsync(List<Pending> changes, KnownHead known)
    {
        for (var tries = 0; tries < MaxTries; tries++)
        {
            if (tries > 0) await clock.PauseAsync(tries);
            if (Gate is not null && known.ETag is null) known = await MakeEmptyAsync();
            var fence = await GuardAsync(changes, known.Head);
            var records = Check(changes, known.Head);
            if (changes.Count == 0) return known;
            var next = await ShortenAsync(known.Head, known.Head.With(records) with { Fence = fence });
            var began = clock.Time.GetTimestamp();
            var (isMade, now) = await _writer.WriteAsync(next, known, records[0].Id);
            if (!isMade)
            {
                _ = objects.DropAsync(next, now.Head);
                NoteFence(now.Head);
                await CatchUpAsync(now.Head, now.ETag, None);
                Volatile.Write(ref _validatedAt, began);
                known = now;
                continue;
            }
            NoteFence(now.Head);
            var isApplied = await TryApplyAsync(now, changes);
            if (isApplied) Volatile.Write(ref _validatedAt, began);
            for (var i = 0; i < changes.Count; i++) changes[i].Done.TrySetResult(new CommitResult.Committed(records[i].Sequence));
            _ = objects.DropAsync(known.Head, now.Head);
            Mirror?.Written(now.Head);
            Made?.Invoke();
            return isApplied ? now : null;
        }
        throw new StoreReadOnlyException("other replicas changed the repository at the same time; push again");
    }

    /// <summary>Answers the changes that must not be made; removes them, and returns the records of the others.</summary>
    private LogRecord[] Check(List<Pending> changes, LogHead head)
    {
        var all = state.Check([.. changes.Select(static c => c.Change)], head.Sequence, clock.Time.GetUtcNow());
        var records = new List<LogRecord>();
        var remaining = new List<Pending>();
        for (var i = 0; i < all.Count; i++)
        {
            if (all[i].Record is { } record)
            {
                records.Add(new(changes[i].Id, changes[i].Change.Room?.Adds ?? 0, record));
                remaining.Add(changes[i]);
            }
            else changes[i].Done.TrySetResult(all[i].Refusal!);
        }
        changes.Clear();
        changes.AddRange(remaining);
        return [.. records];
    }

    private async Task<LogHead> ShortenAsync(LogHead before, LogHead next)
    {
        var shorter = await objects.ShortenAsync(next);
        if (Mirror is not { } mirror) return shorter;
        // The changes that leave the tail, but not those of this write, which are not made yet.
        await mirror.CompleteAsync(before, Math.Min(shorter.TailFirst - 1, before.Sequence));
        return shorter with { Mirrored = Math.Clamp(mirror.DoneOf(before), before.Mirrored, before.Sequence) };
    }

    /// <summary>
    /// Applies a head with changes that were just made. They are durable in the bucket whether this succeeds or not; if not, the next
    /// request applies them.
    /// </summary>
    private async Task<bool> TryApplyAsync(KnownHead now, List<Pending> changes)
    {
        try
        {
            await CatchUpAsync(now.Head, now.ETag, changes.ToDictionary(static c => c.Id, static c => c.Change));
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.NotApplied(logger, e, objects.Name);
            return false;
        }
    }
}
