namespace Gateway.PullThrough;

/// <summary>Bytes of a blob that one connection fetches. Only <see cref="RangeSchedule"/> changes it.</summary>
internal sealed class Segment(long start, long end)
{
    /// <summary>The first byte.</summary>
    public long Start { get; } = start;

    /// <summary>The next byte that is missing; all bytes of the segment before it are in the file.</summary>
    public long Position { get; set; } = start;

    /// <summary>One past the last byte; <see cref="long.MaxValue"/> means the end of the blob.</summary>
    public long End { get; set; } = end;

    /// <summary>Whether a connection fetches it now.</summary>
    public bool IsTaken { get; set; } = true;

    /// <summary>Whether all its bytes are in the file.</summary>
    public bool IsDone => Position == End;

    /// <summary>Ends the connection that fetches it; set by its owner, disposed of by <see cref="RangeSchedule.Release"/>.</summary>
    public CancellationTokenSource? Stop { get; set; }
}

/// <summary>
/// Decides which connection fetches which bytes of a blob, and when one more connection is worth its cost. It starts with one segment, for
/// one connection, up to the blob's end; a split gives the rest to other connections. It does no I/O and has no clock.
/// </summary>
/// <remarks>
/// Segments are given out from the front, within a window beyond the hashed bytes, so that the unhashed bytes on disk are bounded. No byte
/// is given out while another connection may still write it: a byte that changed after it was hashed would be published unnoticed.
/// </remarks>
/// <param name="start">The first byte that is missing.</param>
/// <param name="hashed">Returns how many bytes are contiguous and hashed.</param>
internal sealed class RangeSchedule(long start, Func<long> hashed)
{
    /// <summary>Smallest blob that is worth a second connection (issue "The pull-through engine", "One fetch").</summary>
    public const long SmallestBlob = 32 << 20;

    /// <summary>Connections beside the first: four in all, as many as browsers opened to a host before HTTP/2 and fewer.</summary>
    public const int MaxBeside = 3;

    /// <summary>
    /// Largest and smallest segment. Chosen: a request each costs up to a redirect and two round trips, which 4 MiB outweigh; 16 MiB keep
    /// what a stop loses, and the wait for a slow connection, small.
    /// </summary>
    public const long Largest = 16 << 20;

    /// <summary>See <see cref="Largest"/>.</summary>
    public const long Smallest = 4 << 20;

    /// <summary>
    /// Bytes beyond the hashed ones that may be given out: twice what the connections fetch at a time, so that a fast connection need not
    /// wait for a slow one.
    /// </summary>
    public const long Window = 2 * (MaxBeside + 1) * Largest;

    /// <summary>
    /// A faster download gets no second connection: no registry limits a connection there, and hashing (1.3 GB/s of one core, measured) is
    /// not much faster.
    /// </summary>
    private const double FastEnough = 256 << 20;

    // A rest that arrives sooner than this many seconds gains less than a connection costs.
    private const double WorthHelping = 1;

    // The first connection may be writing what it has read, at most 256 KiB; no other connection may write there.
    private const long Clearance = 1 << 20;

    private readonly Lock _gate = new();
    private readonly List<Segment> _segments = [];
    private long _next = long.MaxValue;
    private long _length = long.MaxValue;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The segment that the first connection begins with; taken.</summary>
    public Segment Line { get; } = new(start, long.MaxValue);

    /// <summary>Whether several connections may be at work.</summary>
    public bool IsSplit
    {
        get
        {
            lock (_gate) return _segments.Count > 0;
        }
    }

    /// <summary>Ends at the next change.</summary>
    public Task Changed
    {
        get
        {
            lock (_gate) return _changed.Task;
        }
    }

    /// <summary>Whether every byte is in the file; false before a split.</summary>
    public bool IsDone
    {
        get
        {
            lock (_gate) return _next == _length && _segments.TrueForAll(s => s.IsDone);
        }
    }

    /// <summary>Whether no segment is left to give out, unless a connection fails.</summary>
    public bool IsGivenOut
    {
        get
        {
            lock (_gate) return _next == _length && _segments.TrueForAll(s => s.IsTaken || s.IsDone);
        }
    }

    /// <summary>Whether another connection is worth its cost.</summary>
    /// <param name="rate">Bytes per second of all connections together.</param>
    /// <param name="rest">Bytes that are missing.</param>
    public static bool IsWorthHelping(double rate, long rest) => rate < FastEnough && rest > rate * WorthHelping;

    /// <summary>
    /// The segment that a second connection would begin with. Null when the blob is nearly whole. It is not given out before <see
    /// cref="TrySplit"/>.
    /// </summary>
    /// <param name="ahead">Bytes that the first connection will fetch until the second one begins; at least <see cref="Smallest"/>.</param>
    public Segment? Propose(double ahead, long length)
    {
        var at = hashed() + Math.Max(Smallest, (long)ahead);
        return length - at < Smallest ? null : new(at, Math.Min(at + SizeAt(at, length), length));
    }

    /// <summary>
    /// Ends the first connection's segment where the proposed one begins; false when the first connection has nearly reached it.
    /// </summary>
    public bool TrySplit(Segment proposed, long length)
    {
        lock (_gate)
        {
            if (Line.Position + Clearance > proposed.Start) return false;
            Line.End = proposed.Start;
            _segments.AddRange([Line, proposed]);
            (_next, _length) = (proposed.End, length);
            return true;
        }
    }

    /// <summary>The next segment; null when there is none now.</summary>
    /// <param name="all">Whether to give out the whole rest at once, because there is no other connection.</param>
    public Segment? TryTake(bool all)
    {
        lock (_gate)
        {
            if (_segments.Find(s => !s.IsTaken && !s.IsDone) is { } free)
            {
                free.IsTaken = true;
                return free;
            }
            if (_next == _length || (!all && _next >= hashed() + Window)) return null;
            var segment = new Segment(_next, all ? _length : Math.Min(_next + SizeAt(_next, _length), _length));
            _segments.Add(segment);
            _next = segment.End;
            return segment;
        }
    }

    /// <summary>One past the last byte of a segment; null for the blob's end.</summary>
    public long? EndOf(Segment segment)
    {
        lock (_gate) return segment.End == long.MaxValue ? null : segment.End;
    }

    /// <summary>Bytes were written at the segment's position.</summary>
    public void Wrote(Segment segment, int count)
    {
        lock (_gate) segment.Position += count;
    }

    /// <summary>The connection of a segment has ended: its missing bytes can be given to another.</summary>
    public void Release(Segment segment)
    {
        lock (_gate)
        {
            segment.Stop?.Dispose();
            (segment.IsTaken, segment.Stop) = (false, null);
            var at = _segments.IndexOf(segment);
            if (at >= 0 && !segment.IsDone && segment.Position > segment.Start)
            {
                _segments.Insert(at + 1, new(segment.Position, segment.End) { IsTaken = false });
                segment.End = segment.Position;
            }
        }
        Signal();
    }

    /// <summary>More bytes are hashed: the window has moved.</summary>
    public void Advance()
    {
        lock (_gate)
        {
            if (_segments.Count == 0) return;
            var at = hashed();
            _segments.RemoveAll(s => s.IsDone && !s.IsTaken && s.End <= at && s != Line);
        }
        Signal();
    }

    /// <summary>The first segment with a missing byte: all readers wait for it.</summary>
    public Segment? First()
    {
        lock (_gate) return _segments.Find(s => !s.IsDone);
    }

    /// <summary>Ends the connection of a segment, which releases it then.</summary>
    public void GiveUp(Segment segment)
    {
        lock (_gate) segment.Stop?.Cancel();
    }

    private static long SizeAt(long at, long length) => Math.Clamp((length - at) / (2 * (MaxBeside + 1)), Smallest, Largest);

    private void Signal()
    {
        TaskCompletionSource changed;
        lock (_gate) (changed, _changed) = (_changed, new(TaskCreationOptions.RunContinuationsAsynchronously));
        changed.SetResult();
    }
}
