namespace Gateway.Storage;

/// <summary>
/// A bucket to which nothing is written before a probe has found that its store can be shared. A store that does not answer at the start is
/// probed before the first write. One that was refused stays refused until a restart.
/// </summary>
internal sealed class ProbedBucket : IBucket, IDisposable
{
    // Chosen: while the store is away, one write in 5 s waits for it, and the others are refused at once.
    private static readonly TimeSpan ProbeAgain = TimeSpan.FromSeconds(5);

    private readonly IBucket _inner;
    private readonly string _prefix;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _probing = new(1);
    private volatile BucketReport? _report;
    private long _probedAt;

    private ProbedBucket(IBucket inner, string prefix, TimeProvider clock, ILogger logger) =>
        (_inner, _prefix, _clock, _logger) = (inner, prefix, clock, logger);

    public int MinPart => _inner.MinPart;

    /// <inheritdoc/>
    public DateTimeOffset? Time => _inner.Time;

    /// <summary>
    /// Opens a bucket and probes it. A bucket that does not answer is opened too: it can be read, if it was good before, as soon as it
    /// answers.
    /// </summary>
    /// <exception cref="IOException">The store cannot be shared; the message says why, in one line.</exception>
    public static async Task<ProbedBucket> OpenAsync(
        IBucket inner, string prefix, TimeProvider clock, ILogger logger, CancellationToken cancellationToken)
    {
        var bucket = new ProbedBucket(inner, prefix, clock, logger);
        var report = await bucket.ProbeAsync(cancellationToken);
        if (report.State == BucketState.Refused) throw new BucketException("storage.s3", report.Problem, report.Remedy, null, "");
        return bucket;
    }

    public ValueTask<ObjectFacts?> HeadAsync(string key, CancellationToken cancellationToken) => _inner.HeadAsync(key, cancellationToken);

    public ValueTask<SmallObject> ReadAsync(string key, int most, string? unlessETag, CancellationToken cancellationToken) =>
        _inner.ReadAsync(key, most, unlessETag, cancellationToken);

    public ValueTask<ObjectBody?> OpenAsync(string key, long offset, long? count, CancellationToken cancellationToken) =>
        _inner.OpenAsync(key, offset, count, cancellationToken);

    public IAsyncEnumerable<ListedObject> ListAsync(string prefix, string? after, CancellationToken cancellationToken) =>
        _inner.ListAsync(prefix, after, cancellationToken);

    public ValueTask<Uri?> SignAsync(string key, TimeSpan validFor, string? contentType, CancellationToken cancellationToken) =>
        _inner.SignAsync(key, validFor, contentType, cancellationToken);

    public async ValueTask<string> PutAsync(
        string key, ReadOnlyMemory<byte> bytes, PutCondition condition, CancellationToken cancellationToken)
    {
        await MustBeGoodAsync(cancellationToken);
        return await _inner.PutAsync(key, bytes, condition, cancellationToken);
    }

    public async ValueTask DeleteAsync(string key, CancellationToken cancellationToken)
    {
        await MustBeGoodAsync(cancellationToken);
        await _inner.DeleteAsync(key, cancellationToken);
    }

    public async ValueTask<Func<CancellationToken, ValueTask<bool>>?> PrepareDeleteAsync(
        string key, DateTimeOffset notAfter, CancellationToken cancellationToken)
    {
        await MustBeGoodAsync(cancellationToken);
        return await _inner.PrepareDeleteAsync(key, notAfter, cancellationToken);
    }

    public async ValueTask<string> CreateMultipartAsync(string key, CancellationToken cancellationToken)
    {
        await MustBeGoodAsync(cancellationToken);
        return await _inner.CreateMultipartAsync(key, cancellationToken);
    }

    // What follows needs the id of an upload that was begun here, or at a replica that has probed the store too.

    public ValueTask<string> UploadPartAsync(
        string key, string id, int number, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        _inner.UploadPartAsync(key, id, number, bytes, cancellationToken);

    public ValueTask<string> CopyPartAsync(string key, string id, int number, string from, CancellationToken cancellationToken) =>
        _inner.CopyPartAsync(key, id, number, from, cancellationToken);

    public ValueTask CompleteMultipartAsync(
        string key, string id, IReadOnlyList<(int Number, string ETag)> parts, CancellationToken cancellationToken) =>
        _inner.CompleteMultipartAsync(key, id, parts, cancellationToken);

    public ValueTask AbortMultipartAsync(string key, string id, CancellationToken cancellationToken) =>
        _inner.AbortMultipartAsync(key, id, cancellationToken);

    public void Dispose()
    {
        (_inner as IDisposable)?.Dispose();
        _probing.Dispose();
    }

    private ValueTask MustBeGoodAsync(CancellationToken cancellationToken) =>
        _report?.State == BucketState.Good ? ValueTask.CompletedTask : ProbeOrRefuseAsync(cancellationToken);

    private async ValueTask ProbeOrRefuseAsync(CancellationToken cancellationToken)
    {
        await _probing.WaitAsync(cancellationToken);
        try
        {
            if (_report is { State: BucketState.Unreachable } && _clock.GetElapsedTime(_probedAt) >= ProbeAgain)
                await ProbeAsync(cancellationToken);
            if (_report!.State != BucketState.Good)
                throw new BucketException("storage.s3", _report.Problem, _report.Remedy, null, "");
        }
        finally
        {
            _probing.Release();
        }
    }

    private async Task<BucketReport> ProbeAsync(CancellationToken cancellationToken)
    {
        var report = await BucketProbe.RunAsync(_inner, _prefix, _clock, cancellationToken);
        _probedAt = _clock.GetTimestamp();
        if (report.State == BucketState.Good) Log.BucketProbed(_logger, report.Took.TotalMilliseconds);
        else if (report.State == BucketState.Refused) Log.BucketRefused(_logger, report.Problem);
        else if (_report is null) Log.BucketUnreachable(_logger, report.Problem, report.Remedy);
        if (report.IsClockOff)
        {
            var direction = report.Skew > TimeSpan.Zero ? "ahead of" : "behind";
            Log.BucketClockOff(_logger, report.Skew.Duration().TotalMinutes, direction);
        }
        return _report = report;
    }
}
