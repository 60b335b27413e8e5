using System.Diagnostics.Metrics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Gateway.Storage;

namespace Gateway.Operations;

/// <summary>Another job of this kind runs. The message is one line for the operator.</summary>
internal sealed class JobRunningException(string message) : Exception(message);

/// <summary>
/// Runs jobs, one of each kind at a time. A job belongs to the gateway, not to the request that started it: it continues when the command
/// ends. A job that a stop or a kill cut off runs again at the next start. The results of the latest jobs stay on disk.
/// </summary>
internal sealed partial class Jobs : BackgroundService
{
    /// <summary>The number of ended jobs of each kind that are stored. Chosen: a month of daily runs.</summary>
    private const int Kept = 30;

    /// <summary>How often the position of a job is written, and how often the schedule is checked.</summary>
    private static readonly TimeSpan WriteEvery = TimeSpan.FromSeconds(5);

    private readonly IReadOnlyList<IJobKind> _kinds;
    private readonly JobFiles _files;
    private readonly AuditLog _audit;
    private readonly TimeProvider _clock;
    private readonly ILogger<Jobs> _logger;
    private readonly Meter _meter = new("Gateway.Jobs");
    private readonly Counter<long> _ended;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _jobs = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private readonly long _startedAt;

    private sealed class Entry(Job job)
    {
        private volatile Job _job = job;

        public Job Job { get => _job; set => _job = value; }

        public CancellationTokenSource Stop { get; } = new();

        public Task Running { get; set; } = Task.CompletedTask;

        public long WrittenAt { get; set; }
    }

    public Jobs(IEnumerable<IJobKind> kinds, JobFiles files, AuditLog audit, TimeProvider clock, ILogger<Jobs> logger)
    {
        (_kinds, _files, _audit, _clock, _logger) = ([.. kinds], files, audit, clock, logger);
        _startedAt = clock.GetTimestamp();
        _ended = _meter.CreateCounter<long>("gateway.jobs.ended", description: "Jobs that ended, by kind and state.");
        _meter.CreateObservableGauge("gateway.jobs.running", Running, description: "Whether a job of this kind runs.");
        _meter.CreateObservableGauge(
            "gateway.jobs.last_success.timestamp", LastSuccesses, "s", "Unix time at which the latest job of this kind ended well.");
        foreach (var job in Read()) _jobs[job.Id] = new(job);
    }

    /// <summary>Every known job, the latest first.</summary>
    public IReadOnlyList<Job> All()
    {
        lock (_lock) return [.. _jobs.Values.Select(static e => e.Job).OrderByDescending(static j => j.StartedAt).ThenBy(static j => j.Id)];
    }

    /// <summary>A job; null when there is none with this id.</summary>
    public Job? Find(string id)
    {
        lock (_lock) return _jobs.GetValueOrDefault(id)?.Job;
    }

    /// <summary>Starts a job. Throws <see cref="JobRunningException"/> while another one of its kind runs.</summary>
    /// <param name="by">See <see cref="Job.StartedBy"/>.</param>
    public Job Start(string kind, JsonElement request, string by)
    {
        lock (_lock)
        {
            if (_jobs.Values.FirstOrDefault(e => e.Job.Kind == kind && e.Job.State == JobState.Running) is { Job: var other })
                throw new JobRunningException(
                    $"a {kind} job is running ({other.Id}, started by {other.StartedBy}); follow it with: gateway jobs {other.Id}");
            var now = _clock.GetUtcNow();
            var number = RandomNumberGenerator.GetHexString(4, lowercase: true);
            var id = string.Create(CultureInfo.InvariantCulture, $"{kind}-{now.UtcDateTime:yyyyMMdd-HHmmss}-{number}");
            var entry = new Entry(new(id, kind, JobState.Running, by, now, request));
            _jobs[id] = entry;
            Write(entry);
            Run(entry);
            return entry.Job;
        }
    }

    /// <summary>Stops a job; null when there is none with this id. An ended job stays as it is.</summary>
    public async Task<Job?> StopJobAsync(string id)
    {
        Entry? entry;
        lock (_lock) entry = _jobs.GetValueOrDefault(id);
        if (entry is null) return null;
        await entry.Stop.CancelAsync();
        await entry.Running;
        return entry.Job;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        lock (_lock)
        {
            foreach (var entry in _jobs.Values.Where(static e => e.Job.State == JobState.Running && e.Running.IsCompleted).ToArray())
            {
                if (_kinds.All(kind => kind.Name != entry.Job.Kind)) continue;
                entry.Job = entry.Job with { Restarts = entry.Job.Restarts + 1, Progress = null };
                LogResumed(_logger, entry.Job.Id);
                Write(entry);
                Run(entry);
            }
        }
        using var timer = new PeriodicTimer(WriteEvery, _clock);
        while (await timer.WaitForNextTickAsync(stoppingToken)) StartDue();
    }

    /// <summary>Cuts off running jobs; the next start runs them again.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await _stopping.CancelAsync();
        Task[] running;
        lock (_lock) running = [.. _jobs.Values.Select(static e => e.Running)];
        await Task.WhenAll(running).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private void StartDue()
    {
        foreach (var kind in _kinds)
        {
            if (kind.Schedule is not { } schedule || _clock.GetElapsedTime(_startedAt) < schedule.AfterStart) continue;
            // A job of the future was started before the system's clock was set back.
            var now = _clock.GetUtcNow();
            var latest = All().FirstOrDefault(job => job.Kind == kind.Name && !job.IsDryRun && job.StartedAt <= now);
            if (latest is not null && now - latest.StartedAt < schedule.Every) continue;
            try
            {
                var job = Start(kind.Name, schedule.Request, "schedule");
                _audit.Tell(new(_clock.GetUtcNow(), "admin", "done") { Actor = "schedule", Detail = $"{kind.Name} ({job.Id})" });
            }
            catch (JobRunningException)
            {
                // A dry run, for example. The next check starts the job.
            }
        }
    }

    private void Run(Entry entry)
    {
        var kind = _kinds.First(each => each.Name == entry.Job.Kind);
        var run = new JobRun(
            entry.Job, progress => entry.Job = entry.Job with { Progress = progress }, cursor => Save(entry, cursor));
        entry.Running = Task.Run(() => RunAsync(kind, run, entry));
    }

    private async Task RunAsync(IJobKind kind, JobRun run, Entry entry)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token, entry.Stop.Token);
        try
        {
            var result = await kind.RunAsync(run, stop.Token);
            End(entry, entry.Job with { State = JobState.Done, Result = result });
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            if (entry.Stop.IsCancellationRequested) End(entry, entry.Job with { State = JobState.Stopped });
            else Write(entry);
        }
        catch (Exception e)
        {
            LogFailed(_logger, e, entry.Job.Id);
            End(entry, entry.Job with { State = JobState.Failed, Problem = e.Message.ReplaceLineEndings(" ") });
        }
    }

    private void End(Entry entry, Job job)
    {
        entry.Job = job with { EndedAt = _clock.GetUtcNow(), Progress = null, Cursor = null };
        _ended.Add(1, new("kind", job.Kind), new("state", job.State.ToString().ToLowerInvariant()));
        Write(entry);
        lock (_lock)
        {
            var old = _jobs.Values.Where(e => e.Job.Kind == job.Kind && e.Job.State != JobState.Running)
                .OrderByDescending(static e => e.Job.StartedAt).Skip(Kept).Select(static e => e.Job.Id).ToArray();
            foreach (var id in old) Remove(id);
        }
    }

    private void Remove(string id)
    {
        _jobs.Remove(id);
        Try(() => _files.Remove(id));
    }

    private void Save(Entry entry, string cursor)
    {
        entry.Job = entry.Job with { Cursor = cursor };
        if (_clock.GetElapsedTime(entry.WrittenAt) >= WriteEvery) Write(entry);
    }

    private void Write(Entry entry)
    {
        entry.WrittenAt = _clock.GetTimestamp();
        Try(() => _files.Write(entry.Job.Id, JsonSerializer.SerializeToUtf8Bytes(entry.Job, AdminJson.Default.Job)));
    }

    // On a volume that accepts no writes a job still runs; the next start does not know it.
    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotWritten(_logger, e.Message);
        }
    }

    private List<Job> Read()
    {
        var jobs = new List<Job>();
        Try(() =>
        {
            foreach (var (id, bytes) in _files.Read())
            {
                try
                {
                    // The id is the name under which the job is written again.
                    var job = JsonSerializer.Deserialize(bytes, AdminJson.Default.Job);
                    if (job?.Id == id && JobFiles.IsId(id)) jobs.Add(job);
                    else LogNotRead(_logger, $"expected the job with the id of the file's name; remove {id}.json");
                }
                catch (JsonException e)
                {
                    LogNotRead(_logger, e.Message);
                }
            }
        });
        return jobs;
    }

    private IEnumerable<Measurement<long>> Running() => _kinds.Select(kind => new Measurement<long>(
        All().Any(job => job.Kind == kind.Name && job.State == JobState.Running) ? 1 : 0,
        new KeyValuePair<string, object?>("kind", kind.Name)));

    private IEnumerable<Measurement<long>> LastSuccesses() =>
        from job in All()
        where job is { State: JobState.Done, EndedAt: not null, IsDryRun: false }
        group job by job.Kind into kind
        select new Measurement<long>(
            kind.Max(static job => job.EndedAt!.Value).ToUnixTimeSeconds(), new KeyValuePair<string, object?>("kind", kind.Key));

    public override void Dispose()
    {
        _meter.Dispose();
        _stopping.Dispose();
        base.Dispose();
    }

    [LoggerMessage(3020, LogLevel.Information, "Job {Id} was cut off by a stop; running it again")]
    private static partial void LogResumed(ILogger logger, string id);

    [LoggerMessage(3021, LogLevel.Error, "Job {Id} failed")]
    private static partial void LogFailed(ILogger logger, Exception exception, string id);

    [LoggerMessage(3022, LogLevel.Warning, "File of a job could not be written or read; after a restart the job is not known: {Reason}")]
    private static partial void LogNotWritten(ILogger logger, string reason);

    [LoggerMessage(3023, LogLevel.Warning, "File of a job is not valid and is ignored: {Reason}")]
    private static partial void LogNotRead(ILogger logger, string reason);
}
