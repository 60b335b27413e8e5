using System.Text.Json;
using Gateway.Operations;
using Gateway.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.Tests.Operations;

/// <summary>Jobs of a kind that a test scripts, on a volume of its own.</summary>
public sealed class JobsTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-jobs-").FullName;
    private readonly TestKind _kind = new();
    private Volume _volume = null!;
    private AuditLog _audit = null!;
    private Jobs _jobs = null!;

    public async ValueTask InitializeAsync()
    {
        _audit = new(new() { Path = Path.Combine(_folder, "audit.jsonl") }, TimeProvider.System, NullLogger.Instance);
        await StartAsync();
    }

    private async Task StartAsync()
    {
        _volume = await Volume.OpenAsync(Path.Combine(_folder, "data"), TimeProvider.System, NullLogger.Instance, default);
        _jobs = new([_kind], _volume.JobFiles, _audit, TimeProvider.System, NullLogger<Jobs>.Instance);
        await _jobs.StartAsync(default);
    }

    private async Task StopAsync()
    {
        await _jobs.StopAsync(default);
        _jobs.Dispose();
        await _volume.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _audit.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    private async Task<Job> EndOfAsync(string id)
    {
        await Patience.UntilAsync(() => Task.FromResult(_jobs.Find(id)!.State != JobState.Running), () => $"the end of {id}");
        return _jobs.Find(id)!;
    }

    [Fact]
    public async Task Job_shows_its_progress_and_keeps_its_result()
    {
        var id = _jobs.Start("test", Json("""{"a":1}"""), "operator").Id;
        var run = await _kind.NextAsync();
        run.Run.Report("step", 1, 2, "units");
        Assert.Equal(new JobProgress("step", 1, 2, "units"), _jobs.Find(id)!.Progress);
        run.Finish("""{"b":2}""");
        var ended = await EndOfAsync(id);
        Assert.Equal((JobState.Done, """{"b":2}"""), (ended.State, ended.Result!.Value.GetRawText()));
        await StopAsync();
        await StartAsync();
        Assert.Equal((JobState.Done, "operator", 0), (_jobs.Find(id)!.State, _jobs.Find(id)!.StartedBy, _jobs.Find(id)!.Restarts));
    }

    [Fact]
    public async Task Second_job_of_a_kind_is_refused_while_the_first_runs()
    {
        var id = _jobs.Start("test", Json("{}"), "operator").Id;
        var refused = Assert.Throws<JobRunningException>(() => _jobs.Start("test", Json("{}"), "operator"));
        Assert.Contains(id, refused.Message);
        (await _kind.NextAsync()).Finish("{}");
        await EndOfAsync(id);
        Assert.NotEqual(id, _jobs.Start("test", Json("{}"), "operator").Id);
    }

    [Fact]
    public async Task Job_that_a_stop_of_the_gateway_cuts_off_runs_again_from_where_it_was()
    {
        var id = _jobs.Start("test", Json("""{"a":1}"""), "operator").Id;
        (await _kind.NextAsync()).Run.Save("half");
        await StopAsync();
        await StartAsync();
        var run = await _kind.NextAsync();
        Assert.Equal(("half", """{"a":1}"""), (run.Run.Cursor, run.Run.Request.GetRawText()));
        Assert.Equal(1, _jobs.Find(id)!.Restarts);
        run.Finish("{}");
        Assert.Equal(JobState.Done, (await EndOfAsync(id)).State);
    }

    [Fact]
    public async Task Stopped_job_does_not_run_again()
    {
        var id = _jobs.Start("test", Json("{}"), "operator").Id;
        await _kind.NextAsync();
        Assert.Equal(JobState.Stopped, (await _jobs.StopJobAsync(id))!.State);
        await StopAsync();
        await StartAsync();
        Assert.Equal(JobState.Stopped, _jobs.Find(id)!.State);
        Assert.Null(await _jobs.StopJobAsync("test-0"));
    }

    [Fact]
    public async Task Job_that_throws_has_failed_with_the_reason()
    {
        var id = _jobs.Start("test", Json("{}"), "operator").Id;
        (await _kind.NextAsync()).Fail(new IOException("no room"));
        var ended = await EndOfAsync(id);
        Assert.Equal((JobState.Failed, "no room"), (ended.State, ended.Problem));
    }

    [Fact]
    public async Task Scheduled_job_starts_by_itself_once_and_is_audited()
    {
        _kind.Schedule = new(TimeSpan.FromHours(1), TimeSpan.Zero, Json("""{"c":3}"""));
        var run = await _kind.NextAsync();
        Assert.Equal("""{"c":3}""", run.Run.Request.GetRawText());
        run.Finish("{}");
        var job = await EndOfAsync(Assert.Single(_jobs.All()).Id);
        Assert.Equal("schedule", job.StartedBy);
        await StopAsync();
        await StartAsync();
        Assert.Single(_jobs.All());
        Assert.Contains("\"actor\":\"schedule\"", File.ReadAllText(Path.Combine(_folder, "audit.jsonl")));
    }

    private async Task PlantAsync(string name, string id, string state, string startedAt)
    {
        await StopAsync();
        var folder = Directory.CreateDirectory(Path.Combine(_folder, "data/gateway/jobs")).FullName;
        await File.WriteAllTextAsync(
            Path.Combine(folder, $"{name}.json"),
            $$"""{"id":"{{id}}","kind":"test","state":"{{state}}","startedBy":"operator","startedAt":"{{startedAt}}","request":{} }""");
        await StartAsync();
    }

    [Theory]
    [InlineData("x", "a/b")]
    [InlineData("a b", "a b")]
    public async Task File_with_another_id_than_its_name_or_an_invalid_one_is_ignored_at_the_start(string name, string id)
    {
        await PlantAsync(name, id, "running", "2026-01-01T00:00:00Z");
        Assert.Empty(_jobs.All());
    }

    [Fact]
    public async Task Job_of_the_future_does_not_stop_the_schedule()
    {
        _kind.Schedule = new(TimeSpan.FromHours(1), TimeSpan.Zero, Json("{}"));
        await PlantAsync("test-1", "test-1", "done", "2999-01-01T00:00:00Z");
        Assert.Single(_jobs.All());
        (await _kind.NextAsync()).Finish("{}");
        await Patience.UntilAsync(() => Task.FromResult(_jobs.All().All(job => job.State == JobState.Done)), () => "the job ends");
        Assert.Equal(2, _jobs.All().Count);
    }

    private sealed class TestKind : IJobKind
    {
        private readonly System.Threading.Channels.Channel<Scripted> _runs = System.Threading.Channels.Channel.CreateUnbounded<Scripted>();

        public string Name => "test";

        public JobSchedule? Schedule { get; set; }

        public Task<Scripted> NextAsync() => _runs.Reader.ReadAsync().AsTask().InTimeAsync("the job begins");

        public async Task<JsonElement> RunAsync(JobRun run, CancellationToken stop)
        {
            var scripted = new Scripted(run);
            await _runs.Writer.WriteAsync(scripted, stop);
            return await scripted.Result.WaitAsync(stop);
        }
    }

    private sealed class Scripted(JobRun run)
    {
        private readonly TaskCompletionSource<JsonElement> _result = new();

        public JobRun Run => run;

        public Task<JsonElement> Result => _result.Task;

        public void Finish(string json) => _result.SetResult(Json(json));

        public void Fail(Exception e) => _result.SetException(e);
    }
}
