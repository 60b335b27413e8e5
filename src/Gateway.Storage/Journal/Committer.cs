namespace Gateway.Storage;

/// <summary>
/// The only writer of metadata. It takes changes in order, checks their expectations, makes a batch durable with one flush, and applies the
/// batch in order (docs/design/0001-storage.md). It has its own thread because it waits for the disk.
/// </summary>
internal sealed class Committer(
    JournalSegments segments, Links links, Applier applier, Durability durability, VolumeHealth health, TimeProvider clock, ILogger logger)
    : ICommitter, IAsyncDisposable
{
    /// <summary>
    /// The largest number of queued changes; further callers wait. A batch takes about one flush (0.3 ms measured,
    /// docs/design/0001-storage.md), so the queue is some 20 ms of work.
    /// </summary>
    private const int MaxWaiting = 1024;

    /// <summary>The largest number of changes in one flush. It bounds how long the next batch waits.</summary>
    private const int MaxBatch = 256;

    /// <summary>
    /// A segment is ended at this size, or at this age when no change is queued. It bounds what a start after a power cut must replay.
    /// </summary>
    private const long SegmentBytes = 16 << 20;

    private static readonly TimeSpan SegmentAge = TimeSpan.FromSeconds(60);

    private readonly BatchQueue<Waiting> _waiting = new();
    private readonly SemaphoreSlim _places = new(MaxWaiting);
    private readonly List<Waiting> _unapplied = [];
    private readonly Dictionary<RepositoryState, Exception> _stuck = [];
    private Journal? _journal;
    private Task _loop = Task.CompletedTask;
    private DateTimeOffset _segmentStarted;
    private Task _checkpoint = Task.CompletedTask;
    private long _sequence;
    private bool _hasUnapplied;

    private sealed record Waiting(StoredRepository Repository, Change Change, TaskCompletionSource<CommitResult> Done)
    {
        public JournalRecord? Record { get; set; }

        /// <summary>Set when the change must not be made.</summary>
        public CommitResult? Refusal { get; set; }

        /// <summary>Whether applying the change has failed before.</summary>
        public bool WasTried { get; set; }
    }

    private Journal Journal => _journal ?? throw new InvalidOperationException("the committer was not started");

    /// <summary>Begins to commit; changes that were queued before wait until then.</summary>
    /// <param name="sequence">The number of the last change of earlier processes.</param>
    public void Start(long sequence)
    {
        (_journal, _sequence, _segmentStarted) = (segments.Create(sequence), sequence, clock.GetUtcNow());
        _loop = Task.Factory.StartNew(Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Whether a durable change could not be applied yet.</summary>
    public bool HasUnapplied => Volatile.Read(ref _hasUnapplied);

    public async Task<CommitResult> CommitAsync(StoredRepository repository, Change change, CancellationToken cancellationToken)
    {
        var waiting = new Waiting(repository, change, new(TaskCreationOptions.RunContinuationsAsynchronously));
        if (change.LoggedAt is null) health.CheckRoom(repository.Root.Lifetime, change.OnlyRemoves);
        await _places.WaitAsync(cancellationToken);
        if (!_waiting.TryAdd(waiting)) throw new StoreReadOnlyException("the gateway is stopping");
        return await waiting.Done.Task;
    }

    private void Run()
    {
        while (!_waiting.IsCompleted)
        {
            var batch = Take();
            if (batch.Count > 0) Commit(batch);
            if (durability.Ended is not null) continue;
            if (Journal.Length >= SegmentBytes
                || (batch.Count == 0 && Journal.Length > 0 && clock.GetUtcNow() - _segmentStarted > SegmentAge))
                Checkpoint();
        }
    }

    private List<Waiting> Take()
    {
        // One second: the longest delay until an idle segment is noticed.
        var batch = _waiting.Take(MaxBatch, TimeSpan.FromSeconds(1));
        if (batch.Count > 0) _places.Release(batch.Count);
        return batch;
    }

    private void Commit(List<Waiting> batch)
    {
        try
        {
            // Changes that were queued when the flush failed: nothing may be written after a state that is unknown.
            durability.CheckWrites();
            ApplyLeftovers();
            var accepted = Accept(batch);
            if (accepted.LastOrDefault(IsJournaled) is { } last) Journal.Flush(last.Record!.Sequence);
            _unapplied.AddRange(accepted.Where(IsJournaled));
            ApplyLeftovers();
            foreach (var waiting in accepted)
            {
                if (IsJournaled(waiting) ? !_unapplied.Contains(waiting) : TryApplyCached(waiting))
                {
                    waiting.Change.Committed?.Invoke(waiting.Record!.Sequence);
                    waiting.Done.SetResult(new CommitResult.Committed(waiting.Record!.Sequence));
                }
                else
                    waiting.Done.TrySetException(Unwritten(_stuck.GetValueOrDefault(waiting.Repository.State)));
            }
            // Only now: a caller that is refused because of another change must find that change applied.
            foreach (var waiting in batch)
            {
                if (waiting.Refusal is { } refusal) waiting.Done.SetResult(refusal);
            }
        }
        catch (Exception e)
        {
            Journal.Forget();
            if (e is not (IOException or UnauthorizedAccessException))
            {
                const string remedy = "the volume accepts no writes until the gateway is restarted";
                durability.EndWrites(
                    $"a change failed unexpectedly; {remedy}", $"a change failed unexpectedly ({e.Message}); {remedy}");
            }
            else if (durability.Ended is null) health.Doubt();
            Log.CommitFailed(logger, e);
            var failure = durability.Ended is { } why ? new StoreReadOnlyException(why, e) : Unwritten(e);
            foreach (var waiting in batch) waiting.Done.TrySetException(failure);
        }
        finally
        {
            // What was refused or failed stays.
            foreach (var waiting in batch.Where(w => w.Change.IsStillAllowed is not null && !_unapplied.Contains(w))) EndLeaving(waiting);
        }
    }

    private static void EndLeaving(Waiting waiting)
    {
        foreach (var blob in waiting.Change.RemovedBlobs) waiting.Repository.State.Stay(blob);
    }

    /// <summary>Checks each change against the expected result of the earlier changes in the batch, and assigns its number.</summary>
    private List<Waiting> Accept(List<Waiting> batch)
    {
        var pending = new PendingChanges(links);
        var accepted = new List<Waiting>(batch.Count);
        foreach (var waiting in batch)
        {
            if (_stuck.TryGetValue(waiting.Repository.State, out var why))
            {
                waiting.Done.SetException(Unwritten(why));
                continue;
            }
            if (IsRefused(waiting, pending)) continue;
            var at = waiting.Change.LoggedAt ?? clock.GetUtcNow();
            waiting.Record = pending.Take(waiting.Repository, waiting.Change, ++_sequence, at);
            if (IsJournaled(waiting)) Journal.Append(waiting.Record);
            accepted.Add(waiting);
        }
        return accepted;
    }

    // A file that cannot be read fails only the change that needs it, not the batch.
    private bool IsRefused(Waiting waiting, PendingChanges pending)
    {
        if (waiting.Change.LoggedAt is not null) return false;
        // Before the check: a use that comes too late for it is told that the blob is absent.
        if (waiting.Change.IsStillAllowed is not null) waiting.Change.RemovedBlobs.ToList().ForEach(waiting.Repository.State.Leave);
        try
        {
            waiting.Refusal = pending.Refuse(waiting.Repository, waiting.Change) ?? applier.Refuse(waiting.Repository, waiting.Change);
            return waiting.Refusal is not null;
        }
        catch (UnreadableException e)
        {
            Log.CommitFailed(logger, e);
            waiting.Done.SetException(Unwritten(e));
            return true;
        }
    }

    /// <summary>
    /// Applies durable changes. A change that cannot be applied is tried again with every batch. Until it succeeds, its repository takes no
    /// changes; other repositories are unaffected.
    /// </summary>
    private void ApplyLeftovers()
    {
        _stuck.Clear();
        _unapplied.RemoveAll(waiting => !_stuck.ContainsKey(waiting.Repository.State) && TryApply(waiting));
        Volatile.Write(ref _hasUnapplied, _unapplied.Count > 0);
        applier.EndBatch();
    }

    private bool TryApply(Waiting waiting)
    {
        try
        {
            Apply(waiting);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (!waiting.WasTried) Log.CommitFailed(logger, e);
            health.Doubt();
            waiting.WasTried = true;
            _stuck[waiting.Repository.State] = e;
            return false;
        }
    }

    private void Apply(Waiting waiting)
    {
        var (repository, record) = (waiting.Repository, waiting.Record!);
        foreach (var operation in record.Operations) applier.Apply(repository, operation, record);
        EndLeaving(waiting);
        // Last: a caller that sees the new version must also see the change that raised it, and a later count must include it.
        repository.State.Add(waiting.Change.Room);
        foreach (var operation in record.Operations)
        {
            var effect = VersionEffects.Of(operation, repository.Root.Lifetime);
            if (!effect.Subject.IsEmpty) repository.State.Versions.Raise(effect.Subject, record.Sequence);
            else if (effect.RaisesAll) repository.State.Versions.RaiseAll(record.Sequence);
            if (effect.Loses) repository.State.Versions.Lose(record.Sequence);
        }
    }

    /// <summary>
    /// Commits a change of a cached repository, which needs no journal: a note that cannot be written is a cache miss, and delays no other
    /// repository.
    /// </summary>
    private bool TryApplyCached(Waiting waiting)
    {
        try
        {
            Apply(waiting);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.CommitFailed(logger, e);
            waiting.Done.SetException(Unwritten(e));
            return false;
        }
    }

    private static StoreReadOnlyException Unwritten(Exception? why) =>
        new($"the volume could not be written{(why is null ? "" : $": {Disk.WhyOf(why)}")}", why);

    private static bool IsJournaled(Waiting waiting) => waiting.Repository.Root.Lifetime != Lifetime.Cached;

    /// <summary>Ends the segment. Removes the ended segments as soon as everything written so far is durable.</summary>
    private void Checkpoint()
    {
        if (!_checkpoint.IsCompleted || _unapplied.Count > 0) return;
        try
        {
            var ended = Journal.Rotate();
            _segmentStarted = clock.GetUtcNow();
            var sequence = _sequence;
            _checkpoint = Task.Run(() => segments.End(ended, sequence));
        }
        catch (IOException e)
        {
            // For example, too many open files. This thread must continue, because every push waits for it.
            Log.CheckpointFailed(logger, e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _waiting.Close();
        await _loop;
        // A failed checkpoint leaves its segments for the next replay.
        await _checkpoint.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_journal is not null && durability.Ended is null && _unapplied.Count == 0) segments.End(_journal.Rotate(), _sequence);
        _journal?.Dispose();
        _places.Dispose();
    }
}
