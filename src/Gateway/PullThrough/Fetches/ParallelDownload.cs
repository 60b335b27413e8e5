using System.Buffers;

namespace Gateway.PullThrough;

/// <summary>
/// Downloads one blob into its part file over one resuming connection, the <em>line</em>, and over closed ranges beside it if the <see
/// cref="RangeSchedule"/> expects a gain (docs/design/0003-fetch.md, "Side by side"). The line fetches what the ranges did not complete.
/// </summary>
internal sealed class ParallelDownload : IAsyncDisposable
{
    // Covers the slow start of a first response, and the burst that rate limiters allow at first.
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    // If no other work remains, a connection that needs longer than this for its remaining bytes is ended.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    // Hashing so few bytes takes less time than another thread needs to begin; the first byte of a blob does not wait for one.
    private const int HashedAtOnce = 32 * 1024;

    // How long the line goes on before the first range beside it begins, at least. A range that has not begun to arrive by then is given
    // up, so the lead is also at least twice the time of the first response, and doubles after each range that was too late.
    private static readonly TimeSpan ShortestLead = TimeSpan.FromMilliseconds(100);

    // As the line's; see Download.
    private const int BufferSize = 256 * 1024;

    private readonly PartFile _part;
    private readonly FetchSources _sources;
    private readonly FetchResources _resources;
    private readonly RangeSchedule _schedule;
    private readonly Line _line;
    private readonly Download _download;
    private readonly bool _isSuspect;
    private readonly List<Task> _helpers = [];
    private TimeSpan _lead = ShortestLead;
    private long _arrived;
    private int _helping;
    private volatile bool _refused;

    /// <param name="part">The open part file; bytes of an earlier fetch are hashed.</param>
    /// <param name="sources">The repositories that have the blob.</param>
    public ParallelDownload(PartFile part, FetchSources sources, FetchResources resources)
    {
        (_part, _sources, _resources) = (part, sources, resources);
        _isSuspect = resources.IsSuspect(part.Digest);
        _schedule = new(part.Position, () => part.Position);
        _line = new(part, _schedule, count => Interlocked.Add(ref _arrived, count));
        _download = new(part.Digest, sources, _line, _isSuspect, resources.Clock, resources.Logger);
    }

    /// <summary>The endpoint that answered the line last; null before the first response.</summary>
    public Uri? Endpoint => _download.Endpoint;

    /// <summary>See <see cref="Download.Announced"/>; before <see cref="RunAsync"/>.</summary>
    public long? Announced => _download.Announced;

    /// <summary>Sends the line's first request; see <see cref="Download.OpenAsync"/>.</summary>
    public async Task OpenAsync(CancellationToken cancellationToken)
    {
        var asked = _resources.Clock.GetTimestamp();
        await _download.OpenAsync(cancellationToken);
        var answered = _resources.Clock.GetElapsedTime(asked);
        if (2 * answered > _lead) _lead = 2 * answered;
    }

    /// <summary>Runs until the whole blob is in the part file and hashed. Throws as <see cref="Download.RunAsync"/>.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var watching = WatchAsync(over.Token);
        try
        {
            do await _download.RunAsync(cancellationToken);
            while (await NextAsync(cancellationToken));
        }
        finally
        {
            await over.CancelAsync();
            await watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            foreach (var helper in _helpers) await helper.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _part.Advanced -= _schedule.Advance;
            _part.CloseGaps();
        }
    }

    /// <summary>Ends the line's connection.</summary>
    public ValueTask DisposeAsync() => _download.DisposeAsync();

    // The line's next segment; false when the blob is whole.
    private async Task<bool> NextAsync(CancellationToken cancellationToken)
    {
        if (!_schedule.IsSplit) return false;
        _schedule.Release(_line.Segment);
        while (true)
        {
            await _part.HashWrittenAsync(cancellationToken);
            var changed = _schedule.Changed;
            if (_schedule.TryTake(all: Volatile.Read(ref _helping) == 0) is { } next)
            {
                _line.Segment = next;
                return true;
            }
            if (_schedule.IsDone && _part.Position == _part.Length) return false;
            await WaitAsync(changed, cancellationToken);
        }
    }

    // A slow connection at the front must not hold up all readers.
    private async Task WaitAsync(Task changed, CancellationToken cancellationToken)
    {
        var slow = _schedule.First();
        var from = slow?.Position;
        if (await Task.WhenAny(changed, Task.Delay(Patience, _resources.Clock, cancellationToken)) == changed) return;
        cancellationToken.ThrowIfCancellationRequested();
        if (slow is not null && slow == _schedule.First() && slow.End - slow.Position > slow.Position - from) _schedule.GiveUp(slow);
    }

    private async Task WatchAsync(CancellationToken cancellationToken)
    {
        if (_part.Length is not >= RangeSchedule.SmallestBlob || _isSuspect) return;
        var since = _resources.Clock.GetTimestamp();
        for (long seen = 0; _helpers.Count < RangeSchedule.MaxBeside && !_refused;)
        {
            await Task.Delay(Interval, _resources.Clock, cancellationToken);
            var (arrived, rest) = (Interlocked.Read(ref _arrived), _part.Length.Value - _part.Position);
            var rate = (arrived - seen) / _resources.Clock.GetElapsedTime(since).TotalSeconds;
            (seen, since) = (arrived, _resources.Clock.GetTimestamp());
            await AddAllAsync(rate, rest, cancellationToken);
        }
    }

    // When the first range has begun to arrive, the others follow at once, if they gain something at the rate of one connection times their
    // number.
    private async Task AddAllAsync(double rate, long rest, CancellationToken cancellationToken)
    {
        var (measured, added) = (_helpers.Count + 1, true);
        while (added && _helpers.Count < RangeSchedule.MaxBeside && !_refused
            && RangeSchedule.IsWorthHelping(rate * (_helpers.Count + 1) / measured, rest))
            added = await TryAddAsync(rate, cancellationToken);
    }

    private async Task<bool> TryAddAsync(double rate, CancellationToken cancellationToken)
    {
        if (_resources.Places.TryEnterBeside(_sources.Current) is not { } place) return false;
        var started = false;
        try
        {
            started = _schedule.IsSplit
                ? _schedule.TryTake(all: false) is { } segment && Start(segment, null, place, cancellationToken)
                : await SplitAsync(rate, place, cancellationToken);
            return started;
        }
        finally
        {
            if (!started) place.Dispose();
        }
    }

    // The line reads its response up to the start of the first range beside it, and is cut only after that range has really started.
    private async Task<bool> SplitAsync(double rate, IDisposable place, CancellationToken cancellationToken)
    {
        var length = _part.Length!.Value;
        if (_schedule.Propose(rate * _lead.TotalSeconds, length) is not { } segment) return false;
        var range = await OpenAsync(segment, cancellationToken);
        _refused = range is null;
        if (range is not null && TrySplit(segment, length)) return Start(segment, range, place, cancellationToken);
        if (range is not null) await range.DisposeAsync();
        _schedule.Release(segment);
        _lead *= 2;
        return false;
    }

    private bool TrySplit(Segment segment, long length)
    {
        try
        {
            _part.AllowGaps();
        }
        catch (IOException e)
        {
            Log.NoRange(_resources.Logger, _part.Digest, e.Message);
            _refused = true;
            return false;
        }
        if (!_schedule.TrySplit(segment, length)) return false;
        _part.Advanced += _schedule.Advance;
        return true;
    }

    private bool Start(Segment segment, RangeConnection? range, IDisposable place, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _helping);
        _helpers.Add(HelpAsync(segment, range, place, cancellationToken));
        return true;
    }

    private async Task HelpAsync(Segment? segment, RangeConnection? range, IDisposable place, CancellationToken cancellationToken)
    {
        try
        {
            while (segment is not null && await FillAsync(segment, range, cancellationToken))
            {
                (segment, range) = (null, null);
                while (segment is null && !_schedule.IsGivenOut)
                {
                    var changed = _schedule.Changed;
                    segment = _schedule.TryTake(all: false);
                    if (segment is null) await changed.WaitAsync(cancellationToken);
                }
            }
        }
        finally
        {
            place.Dispose();
            Interlocked.Decrement(ref _helping);
            _schedule.Advance();
        }
    }

    /// <summary>
    /// Fetches a segment as far as its connection delivers it; false if it delivered nothing, so that no connection is added.
    /// </summary>
    private async Task<bool> FillAsync(Segment segment, RangeConnection? range, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        bool gained;
        try
        {
            range ??= await OpenAsync(segment, cancellationToken);
            while (range is not null && !segment.IsDone && await range.ReadAsync(buffer) is var read and > 0)
            {
                var count = (int)Math.Min(read, segment.End - segment.Position);
                await _part.WriteAsync(segment.Position, buffer.AsMemory(0, count), cancellationToken);
                _schedule.Wrote(segment, count);
                Interlocked.Add(ref _arrived, count);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Ended because it was slow. A new connection can be faster.
        }
        finally
        {
            if (range is not null) await range.DisposeAsync();
            ArrayPool<byte>.Shared.Return(buffer);
            gained = segment.Position > segment.Start;
            _schedule.Release(segment);
        }
        _refused |= !gained;
        return gained;
    }

    private async Task<RangeConnection?> OpenAsync(Segment segment, CancellationToken cancellationToken)
    {
        segment.Stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var range = await RangeConnection.OpenAsync(
            _sources.Current,
            new(_part.Digest, segment.Start, segment.End - 1, _part.Length, _download.ETag, _sources.Except),
            _resources.Clock, _resources.Logger, segment.Stop.Token);
        if (range is not null) PullThroughMetrics.Range("beside");
        return range;
    }

    /// <summary>
    /// Writes the line's bytes into its segment. They are hashed during the next receive and write, on another core: hashing alone takes
    /// 0.45 s of the 0.9 s that 512 MiB took one after the other.
    /// </summary>
    private sealed class Line(PartFile part, RangeSchedule schedule, Action<int> arrived) : IDownloadSink
    {
        private Task _hashing = Task.CompletedTask;

        public Segment Segment { get; set; } = schedule.Line;

        public long Position => Segment.Position;

        public long? End => schedule.EndOf(Segment);

        public long? Length
        {
            get => part.Length;
            set => part.Length = value;
        }

        public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            // All bytes may already be written if an upstream answers a range with the whole blob.
            if (bytes.IsEmpty) return;
            var offset = Segment.Position;
            part.Write(offset, bytes);
            schedule.Wrote(Segment, bytes.Length);
            arrived(bytes.Length);
            await _hashing;
            if (bytes.Length <= HashedAtOnce) await part.HashAsync(offset, bytes, cancellationToken);
            else _hashing = Task.Run(() => part.HashAsync(offset, bytes, cancellationToken).AsTask(), CancellationToken.None);
        }

        public async ValueTask FlushAsync() => await _hashing;
    }
}
