namespace Gateway.PullThrough;

/// <summary>Bytes of a blob that one connection fetches. Only <see cref="Segments"/> changes it.</summary>
internal sealed class Segment(long start, long end)
{
    public long Start { get; } = start;

    /// <summary>The next byte that is wanted; what lies before it is in the file.</summary>
    public long Position { get; set; } = start;

    /// <summary>One past the last byte.</summary>
    public long End { get; set; } = end;

    /// <summary>Whether somebody fetches it now.</summary>
    public bool IsTaken { get; set; } = true;

    public bool IsDone => Position == End;

    /// <summary>Makes who fetches it let go of it; set by him, disposed of by <see cref="Segments.Release"/>.</summary>
    public CancellationTokenSource? Stop { get; set; }
}

/// <summary>
/// Who fetches which bytes of a blob whose ranges come side by side. Given out from the front, within a window behind which all bytes are
/// hashed, so that what lies about unhashed is bounded. Nobody is given bytes that another may still write: a byte that was hashed and then
/// written once more would be published unseen.
/// </summary>
/// <param name="length">The blob's.</param>
/// <param name="start">The first byte that is given out here.</param>
/// <param name="hashed">How many bytes are contiguous and hashed.</param>
internal sealed class Segments(long length, long start, Func<long> hashed)
{
    /// <summary>
    /// Largest and smallest segment. Chosen: a request each costs up to a redirect and two round trips, which 4 MiB outweigh; 16 MiB keep
    /// what a stop loses, and the wait for a slow connection, small.
    /// </summary>
    public const long Largest = 16 << 20;

    public const long Smallest = 4 << 20;

    /// <summary>
    /// Bytes beyond what is hashed that may be given out: twice what the connections fetch at a time, so that a quick one need not wait for
    /// a slow one.
    /// </summary>
    public const long Window = 2 * (SideBySide.MaxBeside + 1) * Largest;

    private readonly Lock _gate = new();
    private readonly List<Segment> _segments = [];
    private long _next = start;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends at the next change.</summary>
    public Task Changed
    {
        get
        {
            lock (_gate) return _changed.Task;
        }
    }

    /// <summary>Whether every byte has come.</summary>
    public bool IsDone
    {
        get
        {
            lock (_gate) return _next == length && _segments.All(s => s.IsDone);
        }
    }

    /// <summary>Whether there is nothing left to give out, unless somebody fails.</summary>
    public bool IsGivenOut
    {
        get
        {
            lock (_gate) return _next == length && _segments.All(s => s.IsTaken || s.IsDone);
        }
    }

    /// <summary>The next segment; null when there is none now.</summary>
    /// <param name="all">Whether to take all that is left at once: nobody else comes.</param>
    public Segment? TryTake(bool all)
    {
        lock (_gate)
        {
            if (_segments.Find(s => !s.IsTaken && !s.IsDone) is { } free)
            {
                free.IsTaken = true;
                return free;
            }
            if (_next == length || (!all && _next >= hashed() + Window)) return null;
            var wanted = all ? length : Math.Clamp((length - _next) / (2 * (SideBySide.MaxBeside + 1)), Smallest, Largest);
            var segment = new Segment(_next, Math.Min(_next + wanted, length));
            _segments.Add(segment);
            _next = segment.End;
            return segment;
        }
    }

    /// <summary>Bytes were written at the segment's position.</summary>
    public void Wrote(Segment segment, int count)
    {
        lock (_gate) segment.Position += count;
    }

    /// <summary>Who fetched it has ended: what is missing can be given to another.</summary>
    public void Release(Segment segment)
    {
        lock (_gate)
        {
            segment.Stop?.Dispose();
            (segment.IsTaken, segment.Stop) = (false, null);
            if (!segment.IsDone && segment.Position > segment.Start)
            {
                _segments.Insert(_segments.IndexOf(segment) + 1, new(segment.Position, segment.End) { IsTaken = false });
                segment.End = segment.Position;
            }
        }
        Signal();
    }

    /// <summary>One past the last byte of the written run that begins at what is hashed.</summary>
    public long Contiguous()
    {
        lock (_gate)
        {
            var at = hashed();
            foreach (var segment in _segments)
            {
                if (segment.Start > at) break;
                if (segment.End > at) at = Math.Max(at, segment.Position);
                if (segment.End > at) break;
            }
            return at;
        }
    }

    /// <summary>More bytes are hashed: the window has moved.</summary>
    public void Hashed()
    {
        lock (_gate)
        {
            var at = hashed();
            _segments.RemoveAll(s => s.IsDone && !s.IsTaken && s.End <= at);
        }
        Signal();
    }

    /// <summary>The first segment that is not all there: all readers wait for it.</summary>
    public Segment? First()
    {
        lock (_gate) return _segments.Find(s => !s.IsDone);
    }

    /// <summary>Makes who fetches it let go of it, and release it then.</summary>
    public void GiveUp(Segment segment)
    {
        lock (_gate) segment.Stop?.Cancel();
    }

    private void Signal()
    {
        TaskCompletionSource changed;
        lock (_gate) (changed, _changed) = (_changed, new(TaskCreationOptions.RunContinuationsAsynchronously));
        changed.SetResult();
    }
}
