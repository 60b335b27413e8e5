using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gateway.Operations;

[JsonConverter(typeof(JsonStringEnumConverter<JobState>))]
internal enum JobState
{
    /// <summary>It runs, or the next start of the gateway runs it again.</summary>
    [JsonStringEnumMemberName("running")]
    Running,

    /// <summary>It ended and has a result.</summary>
    [JsonStringEnumMemberName("done")]
    Done,

    /// <summary>It ended with a problem.</summary>
    [JsonStringEnumMemberName("failed")]
    Failed,

    /// <summary>The operator stopped it.</summary>
    [JsonStringEnumMemberName("stopped")]
    Stopped,
}

/// <summary>What a job does now.</summary>
/// <param name="Step">The part of the work, in a few words.</param>
/// <param name="Done">How many units of this step are done.</param>
/// <param name="Total">How many there are; null when it is not known.</param>
/// <param name="Unit">The unit in the plural, such as <c>repositories</c> or <c>bytes</c>.</param>
internal sealed record JobProgress(string Step, long Done, long? Total, string Unit);

/// <summary>Long work of the serving process, as the admin API shows it and as its file stores it.</summary>
/// <param name="Kind">The command: <c>gc</c> or <c>scrub</c>.</param>
/// <param name="StartedBy"><c>operator</c>, or <c>schedule</c>.</param>
/// <param name="Request">The options of the command, as in the body of the request.</param>
internal sealed record Job(
    string Id, string Kind, JobState State, string StartedBy, DateTimeOffset StartedAt, JsonElement Request)
{
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>How often a stop of the gateway cut it off, and the next start began it again.</summary>
    public int Restarts { get; init; }

    /// <summary>Null before it has reported any, and after its end.</summary>
    public JobProgress? Progress { get; init; }

    /// <summary>Why it failed, in one sentence.</summary>
    public string? Problem { get; init; }

    /// <summary>The report; its fields depend on the kind. Null before the end.</summary>
    public JsonElement? Result { get; init; }

    /// <summary>Where a kind that can resume continues after a restart; null at the beginning, and for other kinds.</summary>
    public string? Cursor { get; init; }

    /// <summary>Whether it changes nothing.</summary>
    [JsonIgnore]
    public bool IsDryRun => Request.ValueKind == JsonValueKind.Object
        && Request.TryGetProperty("dryRun", out var dryRun) && dryRun.ValueKind == JsonValueKind.True;
}

/// <summary>The regular runs of a kind.</summary>
/// <param name="Every">From one start to the next.</param>
/// <param name="AfterStart">How long after the start of the gateway at the earliest.</param>
internal sealed record JobSchedule(TimeSpan Every, TimeSpan AfterStart, JsonElement Request);

/// <summary>One kind of long work.</summary>
internal interface IJobKind
{
    /// <summary>The command that starts it.</summary>
    string Name { get; }

    /// <summary>Null when it runs only when an operator asks for it.</summary>
    JobSchedule? Schedule { get; }

    /// <summary>
    /// Does the work and returns the report. Throws <see cref="IOException"/> with one line when it cannot be done. It may begin again from
    /// <see cref="JobRun.Cursor"/> after a restart.
    /// </summary>
    Task<JsonElement> RunAsync(JobRun run, CancellationToken stop);
}

/// <summary>A running job, for its kind.</summary>
internal sealed class JobRun(Job job, Action<JobProgress> report, Action<string> save)
{
    /// <summary>The options.</summary>
    public JsonElement Request => job.Request;

    /// <summary>Whether an earlier process began it, and a stop of the gateway cut it off.</summary>
    public bool IsResumed => job.Restarts > 0;

    /// <summary>Where an earlier process saved that it was; null for the beginning.</summary>
    public string? Cursor => job.Cursor;

    /// <summary>Shows the progress to everyone who follows the job. Cheap: may be called for each unit.</summary>
    public void Report(string step, long done, long? total, string unit) => report(new(step, done, total, unit));

    /// <summary>Stores where to continue after a restart. Writes a file at most every few seconds.</summary>
    public void Save(string cursor) => save(cursor);
}
