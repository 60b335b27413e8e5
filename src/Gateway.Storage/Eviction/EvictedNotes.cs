using System.Threading.Channels;

namespace Gateway.Storage;

/// <summary>
/// The notes of evicted content that wait for removal. <see cref="CacheNotes"/> removes them. A request that evicts faster than notes can
/// be removed waits for the removal.
/// </summary>
internal sealed class EvictedNotes
{
    /// <summary>The largest number of evicted contents whose notes wait for removal; some MB of files.</summary>
    private const int MaxWaiting = 1024;

    private readonly Channel<(Digest Digest, IReadOnlyList<Note> Notes)> _waiting =
        Channel.CreateUnbounded<(Digest, IReadOnlyList<Note>)>();

    private long _added;
    private long _removed;
    private volatile bool _isEnded;

    /// <summary>Whether notes still wait for removal.</summary>
    public bool IsBusy => Volatile.Read(ref _added) != Volatile.Read(ref _removed);

    /// <summary>The evicted contents with their notes, in order.</summary>
    public ChannelReader<(Digest Digest, IReadOnlyList<Note> Notes)> Waiting => _waiting.Reader;

    /// <summary>
    /// Queues notes for removal. After the end, notes stay on the disk and the next start counts them. Never waits: the caller holds a
    /// lock.
    /// </summary>
    public void Add(Digest digest, IReadOnlyList<Note> notes)
    {
        if (notes.Count > 0 && _waiting.Writer.TryWrite((digest, notes))) Interlocked.Increment(ref _added);
    }

    /// <summary>Counts contents whose notes are removed.</summary>
    public void Removed(int contents) => Interlocked.Add(ref _removed, contents);

    /// <summary>Waits until few enough contents wait for removal.</summary>
    public async ValueTask CatchUpAsync(CancellationToken cancellationToken)
    {
        while (Volatile.Read(ref _added) - Volatile.Read(ref _removed) > MaxWaiting && !_isEnded)
            await Task.Delay(TimeSpan.FromMilliseconds(1), cancellationToken);
    }

    /// <summary>Waits until the notes of everything that was evicted so far are removed, or for the given time.</summary>
    public async ValueTask RemovedAsync(TimeSpan most, CancellationToken cancellationToken)
    {
        var (added, end) = (Volatile.Read(ref _added), Environment.TickCount64 + (long)most.TotalMilliseconds);
        while (Volatile.Read(ref _removed) < added && !_isEnded && Environment.TickCount64 < end)
            await Task.Delay(TimeSpan.FromMilliseconds(1), cancellationToken);
    }

    /// <summary>Takes no more notes.</summary>
    public void Complete() => _waiting.Writer.TryComplete();

    /// <summary>Notes are no longer removed; no caller waits for it.</summary>
    public void End() => _isEnded = true;
}
