using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Gateway.Configuration;

namespace Gateway.Operations;

/// <summary>
/// Records changes, logins and refusals, one line of JSON each. The line of a change is in the file before the response. If lines cannot be
/// written, changes are refused or continue, as configured.
/// </summary>
internal sealed partial class AuditLog : IDisposable
{
    /// <summary>Maximum lines that wait while the file cannot be written; at most 5 KiB each. Further lines are lost and counted.</summary>
    private const int MaxWaiting = 1000;

    /// <summary>Entries of either kind in memory for the console, about 500 bytes each; at most about 10 KiB each.</summary>
    private const int MostRecent = 500;

    /// <summary>Time until the next attempt after a failed write.</summary>
    private static readonly TimeSpan TryAgainAfter = TimeSpan.FromSeconds(1);

    /// <summary>Time in which an equal frequent line is not repeated, for instance of a client that logs in with each request.</summary>
    private static readonly TimeSpan Repeated = TimeSpan.FromMinutes(5);

    /// <summary>Maximum refused logins and pulls in this time, of all clients together: at most about 100 MB a day.</summary>
    private const int MaxRefused = 2000;

    /// <summary>Maximum remembered logins in this time: ten thousand nodes, the default limit of connections.</summary>
    private const int MaxLogins = 10_000;

    private readonly Lock _writing = new();
    private readonly AuditOrder _order = new();
    private readonly AuditFile? _file;
    private readonly bool _refuses;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly Meter _meter = new("Gateway.Audit");
    private readonly Counter<long> _written;
    private readonly Counter<long> _lost;
    private readonly Queue<byte[]> _waiting = new();
    private readonly ConcurrentQueue<AuditEntry> _recent = new();
    private readonly ConcurrentQueue<AuditEntry> _recentCheap = new();
    private readonly HashSet<string> _refused = new(StringComparer.Ordinal);
    private readonly HashSet<string> _logins = new(StringComparer.Ordinal);
    private long _cheapSince;
    private long _omitted;
    private long _triedAt;
    private volatile string? _problem;

    /// <param name="options">Null for no audit log.</param>
    /// <exception cref="IOException">The file cannot be opened.</exception>
    public AuditLog(AuditOptions? options, TimeProvider clock, ILogger logger)
    {
        (_clock, _logger, _refuses) = (clock, logger, options?.Refuse == true);
        _written = _meter.CreateCounter<long>("gateway.audit.lines", description: "Lines of the audit log, by event.");
        _lost = _meter.CreateCounter<long>("gateway.audit.lost", description: "Lines that could not be written and were dropped.");
        if (options is null) return;
        _file = new(options.Path, options.MaxSize, options.Keep);
        _meter.CreateObservableGauge(
            "gateway.audit.writable", () => _problem is null ? 1 : 0, description: "Whether the audit log can be written.");
        Tell(new(clock.GetUtcNow(), "start", "done"));
        if (_problem is not null) throw new IOException(_problem);
    }

    /// <summary>Why changes are refused now, in one line; null if they are allowed. Tries the file again.</summary>
    public string? RefusesBecause()
    {
        if (!_refuses || _problem is null) return null;
        lock (_writing)
        {
            if (_clock.GetElapsedTime(_triedAt) >= TryAgainAfter) Flush();
        }
        return _problem;
    }

    /// <summary>
    /// Reserves a place for the line of a request that has just made a change. Called in the order of changes, on the committer's thread,
    /// so it waits for no file. <see cref="WriteAsync"/> must be called for every such request.
    /// </summary>
    /// <param name="sequence">The change's number.</param>
    public void Expect(RequestRecord record, long sequence)
    {
        record.Sequence = sequence;
        if (_file is not null && !record.IsAudited && AuditEntry.ChangeOf(record) is not null) record.Place = _order.Take(record.Place);
    }

    /// <summary>
    /// Writes the line of a request, if it needs one; once, regardless of the number of calls. Completes when the line is in the log, after
    /// the lines of earlier changes: their requests end without waiting for any client or upstream.
    /// </summary>
    public Task WriteAsync(RequestRecord record)
    {
        if (_file is null || record.IsAudited) return Task.CompletedTask;
        record.IsAudited = true;
        if (AuditEntry.LoginOf(record) is { } login) Tell(login);
        var act = AuditEntry.ActOf(record);
        if (record.Place is not { } place)
        {
            if (act is not null) Tell(act);
            return Task.CompletedTask;
        }
        lock (_writing)
        {
            // Under this lock, so that lines are written in the order in which they become ready.
            foreach (var ready in _order.Fill(place, act))
            {
                if (ready.Entry is { } entry) Put(entry);
                ready.SetTold();
            }
        }
        return place.Told;
    }

    /// <summary>Whether there is an audit log.</summary>
    public bool IsOn => _file is not null;

    /// <summary>The latest entries since the start, the latest first.</summary>
    public IEnumerable<AuditEntry> Recent() => _recent.Concat(_recentCheap).Reverse().OrderByDescending(static entry => entry.Time);

    public void Tell(AuditEntry entry)
    {
        if (_file is null) return;
        lock (_writing) Put(entry);
    }

    private void Put(AuditEntry entry)
    {
        if (IsLeftOut(entry)) return;
        entry = entry.Cut();
        // Logins displace no changes here either.
        var recent = entry.IsCheap ? _recentCheap : _recent;
        recent.Enqueue(entry);
        while (recent.Count > MostRecent) recent.TryDequeue(out _);
        if (_waiting.Count < MaxWaiting)
        {
            _waiting.Enqueue(entry.ToJson(_omitted));
            _omitted = 0;
            _written.Add(1, new KeyValuePair<string, object?>("event", entry.Event));
        }
        else
        {
            _omitted++;
            _lost.Add(1);
        }
        Flush();
    }

    public void Dispose()
    {
        Tell(new(_clock.GetUtcNow(), "stop", "done"));
        _file?.Dispose();
        _meter.Dispose();
    }

    private bool IsLeftOut(AuditEntry entry)
    {
        if (!entry.IsCheap) return false;
        if (_clock.GetElapsedTime(_cheapSince) >= Repeated || _logins.Count == MaxLogins)
        {
            _logins.Clear();
            _refused.Clear();
            _cheapSince = _clock.GetTimestamp();
        }
        if (entry.Outcome == "done") return !_logins.Add(entry.Sameness);
        if (_refused.Count < MaxRefused) return !_refused.Add(entry.Sameness);
        if (!_refused.Contains(entry.Sameness)) _omitted++;
        return true;
    }

    private void Flush()
    {
        try
        {
            _triedAt = _clock.GetTimestamp();
            for (; _waiting.TryPeek(out var line); _waiting.Dequeue()) _file!.Append(line);
            if (_problem is not null) LogWritable(_logger);
            _problem = null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            if (_problem is null) LogUnwritable(_logger, exception.Message);
            _problem = $"the audit log cannot be written: {exception.Message}";
        }
    }

    [LoggerMessage(3000, LogLevel.Error, "Audit log cannot be written; lines wait in memory: {Reason}")]
    private static partial void LogUnwritable(ILogger logger, string reason);

    [LoggerMessage(3001, LogLevel.Warning, "Audit log can be written again; waiting lines were written")]
    private static partial void LogWritable(ILogger logger);
}
