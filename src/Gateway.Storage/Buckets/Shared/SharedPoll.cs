using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Threading.Channels;

namespace Gateway.Storage;

/// <summary>
/// Learns from a list of all heads which repositories other gateways have changed, and makes this gateway's copies of them up to date.
/// So the catalog, the pages of the operator, and reads from memory are at most some seconds old. Requests for a repository do not wait
/// for it.
/// </summary>
internal sealed class SharedPoll : IAsyncDisposable
{
    /// <summary>
    /// How often the heads are listed. Chosen: at 1,000 heads for each request, 10,000 repositories cost two requests per second.
    /// </summary>
    public static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    /// <summary>Repositories that are read at the same time. Chosen: it leaves most of the store's attention to requests.</summary>
    private const int AtOnce = 8;

    /// <summary>Names of changed repositories that wait. Chosen: more are left to the poll.</summary>
    private const int MostHeard = 1024;

    private readonly SharedLogs _logs;
    private readonly StoredRepositories _repositories;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly Dictionary<string, string> _seen = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly ITimer _timer;
    private readonly Meter _meter = new(BucketMetrics.MeterName);
    private readonly Channel<RepositoryName> _heard = Channel.CreateBounded<RepositoryName>(MostHeard);
    private readonly Task _hearing;
    private long _upToDateAt;
    private Task _running = Task.CompletedTask;
    private Task? _next;
    private bool _isAdopted;
    private volatile string? _problem;

    public SharedPoll(SharedLogs logs, StoredRepositories repositories, TimeProvider clock, ILogger logger)
    {
        (_logs, _repositories, _clock, _logger) = (logs, repositories, clock, logger);
        _upToDateAt = clock.GetTimestamp();
        _meter.CreateObservableGauge(
            "gateway.bucket.lag", () => Lag.TotalSeconds, "s", "Time since all copies had every change of the bucket.");
        _hearing = Task.Run(RefreshHeardAsync);
        _timer = clock.CreateTimer(_ => _ = TryRunAsync(), null, TimeSpan.Zero, Every);
    }

    private SharedStore Shared => _logs.Shared;

    /// <summary>The object that says that the repositories without a log were adopted.</summary>
    /// <param name="prefix">See <see cref="SharedStore.Prefix"/>.</param>
    public static string AdoptedMark(string prefix) => $"{prefix}gateway/adopted";

    /// <summary>The time since all copies had every change of the bucket: as old as the list of heads that showed it.</summary>
    public TimeSpan Lag => _clock.GetElapsedTime(Volatile.Read(ref _upToDateAt));

    /// <summary>
    /// Makes the copy of one repository up to date soon, because another gateway says that it has changed it. Whether that is true does not
    /// matter: the bucket is asked. What is not heard is found by the next poll.
    /// </summary>
    public void Hear(RepositoryName name) => _heard.Writer.TryWrite(name);

    private async Task RefreshHeardAsync() => await Parallel.ForEachAsync(
        _heard.Reader.ReadAllAsync(_stop.Token), new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = _stop.Token },
        async (name, stop) => await TryRefreshAsync(name, etag: null, stop));

    /// <summary>Why the last list, or a repository in it, was not read; null when all was.</summary>
    public string? Problem => _problem;

    /// <summary>
    /// Makes all copies up to date, as of a list that begins after the call. Concurrent callers share a list. Throws <see
    /// cref="IOException"/> when the bucket does not answer.
    /// </summary>
    public Task RunAsync()
    {
        lock (_lock)
        {
            if (_next is { } next) return next;
            return _next = RunAfterAsync(_running);
        }
    }

    private async Task RunAfterAsync(Task running)
    {
        await Task.Yield();
        await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Task task;
        lock (_lock)
        {
            _next = null;
            task = _running = ListAsync(_stop.Token);
        }
        await task;
    }

    private async Task TryRunAsync()
    {
        lock (_lock)
        {
            // A slow bucket is not asked faster than it answers.
            if (!_running.IsCompleted || _next is not null) return;
        }
        try
        {
            await RunAsync();
            _isAdopted = _isAdopted || await AdoptAllAsync(_stop.Token);
        }
        catch (OperationCanceledException)
        {
            // The gateway stops.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Tell(e);
        }
    }

    // Once for each outage.
    private void Tell(Exception why)
    {
        if (_problem is null) Log.NotPolled(_logger, why);
        _problem = why.Message;
    }

    private async Task ListAsync(CancellationToken cancellationToken)
    {
        var began = _clock.GetTimestamp();
        var heads = LogObjects.HeadsPrefix(Shared.Prefix);
        var (listed, changed) = (new Dictionary<string, string>(StringComparer.Ordinal), new List<(RepositoryName Name, string ETag)>());
        await foreach (var found in Shared.Bucket.ListAsync(heads, null, cancellationToken))
        {
            if (!RepositoryName.TryParse(LogObjects.NameOf(found.Key, Shared.Prefix), out var name)) continue;
            listed[name.Value] = found.Facts.ETag;
            if (_seen.GetValueOrDefault(name.Value) != found.Facts.ETag) changed.Add((name, found.Facts.ETag));
        }
        _logs.Listed(new(listed, began));
        var failed = new ConcurrentDictionary<string, Exception>(StringComparer.Ordinal);
        if (await TryLookAsync(cancellationToken) is { } unread) failed[""] = unread;
        await Parallel.ForEachAsync(
            changed, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
            async (each, stop) =>
            {
                if (await TryRefreshAsync(each.Name, each.ETag, stop) is { } why) failed[each.Name.Value] = why;
            });
        foreach (var (name, etag) in changed.Where(each => !failed.ContainsKey(each.Name.Value))) _seen[name.Value] = etag;
        if (failed.IsEmpty)
        {
            _problem = null;
            Volatile.Write(ref _upToDateAt, began);
        }
        else Tell(failed.Values.First());
    }

    // What a collection of another gateway has condemned, and this one uses, is spared.
    private async ValueTask<Exception?> TryLookAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _logs.Gate.LookAsync(cancellationToken);
            return null;
        }
        catch (IOException e)
        {
            return e;
        }
    }

    // One repository that cannot be read must not keep the others from being read.
    private async ValueTask<Exception?> TryRefreshAsync(RepositoryName name, string? etag, CancellationToken cancellationToken)
    {
        try
        {
            var log = _logs.Of(_repositories.Pushed(name));
            if (etag is null || log.ETag != etag) await log.ValidateAsync().WaitAsync(cancellationToken);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e;
        }
    }

    /// <summary>
    /// Makes logs of the repositories that distribution has filled, so that the catalog has them. Once for a bucket; false while the
    /// bucket has no repository, because the operator may start a gateway before the copy to the bucket.
    /// </summary>
    private async Task<bool> AdoptAllAsync(CancellationToken cancellationToken)
    {
        var mark = AdoptedMark(Shared.Prefix);
        if (await Shared.Bucket.HeadAsync(mark, cancellationToken) is not null) return true;
        var (found, adopted) = (0, 0);
        await foreach (var name in LayoutLinks.NamesAsync(Shared.Bucket, Shared.Prefix, cancellationToken))
        {
            if (!RepositoryName.TryParse(name, out var parsed)) continue;
            var repository = _repositories.Pushed(parsed);
            found++;
            var isNew = _logs.Of(repository).ETag is null;
            try
            {
                await _logs.AdoptAsync(repository).WaitAsync(cancellationToken);
                if (isNew) adopted++;
            }
            catch (UnreadableLogException)
            {
                // It has a log, so it needs no adoption. The list of heads reports it.
            }
        }
        if (found == 0) return false;
        if (adopted > 0) Log.Adopted(_logger, adopted);
        await Shared.Bucket.PutAsync(mark, "1\n"u8.ToArray(), PutCondition.None, cancellationToken);
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _hearing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _meter.Dispose();
        _stop.Dispose();
    }
}
