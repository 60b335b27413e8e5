using System.Buffers;

namespace Gateway.PullThrough;

/// <summary>
/// The sink of a fetch's own connection, its <em>line</em>, and the ranges that come beside it over others: for blobs from
/// <see cref="From"/> whose rest would take long at the rate that is seen (docs/design/0003-fetch.md, "Side by side"). Others only help:
/// whatever becomes of them, the line takes over what they leave.
/// </summary>
internal sealed class SideBySide(BlobFetch fetch, FetchTable table) : IDownloadSink
{
    /// <summary>Smallest blob (issue "The pull-through engine", "One fetch").</summary>
    public const long From = 32 << 20;

    /// <summary>Connections beside the line: four in all, as many as browsers opened to a host before HTTP/2 and fewer.</summary>
    public const int MaxBeside = 3;

    /// <summary>
    /// A line that is faster is not helped: no registry limits a connection there, and hashing (1.3 GB/s of one core, measured) is not far.
    /// </summary>
    private const double FastEnough = 256 << 20;

    // What a first answer's slow start, and a limiter's first burst, leave behind.
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    // A rest that is here sooner gains less than a connection costs to make.
    private static readonly TimeSpan WorthHelping = TimeSpan.FromSeconds(1);

    // While nothing else is left to do, a connection that needs longer than this for its rest is given up.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    // The line may be writing what it has read, at most 256 KiB; nobody else may write there.
    private const long Clearance = 1 << 20;

    private const int BufferSize = 256 * 1024;

    private readonly Lock _gate = new();
    private readonly List<Task> _helpers = [];
    private Segments? _segments;
    private Segment? _line;
    private long? _cut;
    private long _arrived;

    // The line's own count: what is hashed runs ahead of it as soon as it has come to where others began.
    private long _at = fetch.Position;
    private int _helping;
    private volatile bool _refused;
    private int _hashing;

    public long Position => _line?.Position ?? _at;

    /// <summary>Where another has begun.</summary>
    public long? End
    {
        get
        {
            lock (_gate) return _line?.End ?? _cut;
        }
    }

    public long? Length
    {
        get => fetch.Length;
        set => fetch.Length = value;
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (_line is null)
        {
            fetch.Append(bytes.Span);
            _at += bytes.Length;
        }
        else await WriteAsync(_line, bytes, cancellationToken);
        Interlocked.Add(ref _arrived, bytes.Length);
    }

    /// <summary>
    /// Runs the line to the blob's end, with the help of others where that is worth it. Throws as <see cref="Download"/>.
    /// </summary>
    public async Task RunAsync(Download line, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var watching = WatchAsync(line, over.Token);
        try
        {
            do await line.RunAsync(cancellationToken);
            while (await NextAsync(cancellationToken));
        }
        finally
        {
            await over.CancelAsync();
            await watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            foreach (var helper in _helpers) await helper.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            fetch.EndAhead();
        }
    }

    private async Task<bool> NextAsync(CancellationToken cancellationToken)
    {
        if (_segments is null) return false;
        if (_line is not null) _segments.Release(_line);
        while (true)
        {
            await HashAsync(cancellationToken);
            var changed = _segments.Changed;
            lock (_gate) _line = _segments.TryTake(all: _helping == 0) ?? _line;
            if (_line is { IsDone: false }) return true;
            if (_segments.IsDone && fetch.Position == fetch.Length) return false;
            await WaitAsync(changed, cancellationToken);
        }
    }

    // A slow connection at the front must not hold up everybody.
    private async Task WaitAsync(Task changed, CancellationToken cancellationToken)
    {
        var (slow, from) = (_segments!.First(), _segments.First()?.Position);
        if (await Task.WhenAny(changed, Task.Delay(Patience, table.Clock, cancellationToken)) == changed) return;
        cancellationToken.ThrowIfCancellationRequested();
        if (slow is not null && slow == _segments.First() && slow.End - slow.Position > slow.Position - from) _segments.GiveUp(slow);
    }

    private async Task WatchAsync(Download line, CancellationToken cancellationToken)
    {
        if (fetch.Length is not >= From || table.IsSuspect(fetch.Digest)) return;
        var since = table.Clock.GetTimestamp();
        for (long seen = 0; _helpers.Count < MaxBeside && !_refused;)
        {
            await Task.Delay(Interval, table.Clock, cancellationToken);
            var (arrived, rest) = (Interlocked.Read(ref _arrived), fetch.Length.Value - fetch.Position);
            var rate = (arrived - seen) / table.Clock.GetElapsedTime(since).TotalSeconds;
            (seen, since) = (arrived, table.Clock.GetTimestamp());
            if (rate < FastEnough && rest > rate * WorthHelping.TotalSeconds) await AddAsync(line, rate, cancellationToken);
        }
    }

    private async Task AddAsync(Download line, double rate, CancellationToken cancellationToken)
    {
        if (table.TryEnterBeside(fetch.Sources.Current) is not { } place) return;
        var started = false;
        try
        {
            started = _segments is null
                ? await CutAsync(line, rate, place, cancellationToken)
                : _segments.TryTake(all: false) is { } segment && Start(line, segment, null, place, cancellationToken);
        }
        finally
        {
            if (!started) place.Dispose();
        }
    }

    // The line keeps its answer until it comes to where the first other begins; and there it ends only if that one has really begun.
    private async Task<bool> CutAsync(Download line, double rate, IDisposable place, CancellationToken cancellationToken)
    {
        var (at, length) = (fetch.Position + Math.Max(Segments.Smallest, (long)rate), fetch.Length!.Value);
        if (length - at < Segments.Smallest) return false;
        var segments = new Segments(length, at, () => fetch.Position);
        var segment = segments.TryTake(all: false)!;
        var range = await OpenAsync(line, segment, cancellationToken);
        _refused = range is null;
        if (range is not null && TryCut(segments, at)) return Start(line, segment, range, place, cancellationToken);
        if (range is not null) await range.DisposeAsync();
        segments.Release(segment);
        return false;
    }

    private bool TryCut(Segments segments, long at)
    {
        try
        {
            fetch.BeginAhead();
        }
        catch (IOException e)
        {
            Log.NoRange(table.Logger, fetch.Digest, e.Message);
            _refused = true;
            return false;
        }
        lock (_gate)
        {
            // The line was faster than thought.
            if (fetch.Position + Clearance > at) return false;
            (_segments, _cut) = (segments, at);
            return true;
        }
    }

    private bool Start(Download line, Segment segment, OptionalRange? range, IDisposable place, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _helping);
        _helpers.Add(HelpAsync(line, segment, range, place, cancellationToken));
        return true;
    }

    private async Task HelpAsync(
        Download line, Segment? segment, OptionalRange? range, IDisposable place, CancellationToken cancellationToken)
    {
        try
        {
            while (segment is not null && await FillAsync(line, segment, range, cancellationToken))
            {
                (segment, range) = (null, null);
                while (segment is null && !_segments!.IsGivenOut)
                {
                    var changed = _segments.Changed;
                    segment = _segments.TryTake(all: false);
                    if (segment is null) await changed.WaitAsync(cancellationToken);
                }
            }
        }
        finally
        {
            place.Dispose();
            Interlocked.Decrement(ref _helping);
            _segments!.Hashed();
        }
    }

    /// <summary>Fetches a segment as far as it comes; false when nothing came, after which no more are started.</summary>
    private async Task<bool> FillAsync(Download line, Segment segment, OptionalRange? range, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        bool gained;
        try
        {
            range ??= await OpenAsync(line, segment, cancellationToken);
            while (range is not null && !segment.IsDone && await range.ReadAsync(buffer) is var read and > 0)
            {
                var count = (int)Math.Min(read, segment.End - segment.Position);
                await WriteAsync(segment, buffer.AsMemory(0, count), cancellationToken);
                Interlocked.Add(ref _arrived, count);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Given up for being slow: the next segment may come faster over a new connection.
        }
        finally
        {
            if (range is not null) await range.DisposeAsync();
            ArrayPool<byte>.Shared.Return(buffer);
            gained = segment.Position > segment.Start;
            _segments!.Release(segment);
        }
        _refused |= !gained;
        return gained;
    }

    private async Task<OptionalRange?> OpenAsync(Download line, Segment segment, CancellationToken cancellationToken)
    {
        segment.Stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var range = await OptionalRange.OpenAsync(
            table, fetch, fetch.Sources.Current, (segment.Start, segment.End - 1), line.ETag, segment.Stop.Token);
        if (range is not null) PullThroughMetrics.Range("beside");
        return range;
    }

    private async ValueTask WriteAsync(Segment segment, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        fetch.WriteAhead(segment.Position, bytes.Span);
        _segments!.Wrote(segment, bytes.Length);
        await HashAsync(cancellationToken);
    }

    // Whoever comes first hashes what is contiguous, also what others have written meanwhile.
    private async ValueTask HashAsync(CancellationToken cancellationToken)
    {
        while (_segments!.Contiguous() > fetch.Position)
        {
            if (Interlocked.Exchange(ref _hashing, 1) == 1) return;
            try
            {
                await fetch.HashUpToAsync(_segments.Contiguous(), cancellationToken);
            }
            finally
            {
                Volatile.Write(ref _hashing, 0);
            }
            _segments.Hashed();
        }
    }
}
