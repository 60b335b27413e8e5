using System.Diagnostics.Metrics;
using System.Text.Json;
using Gateway.Configuration;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations;

/// <summary><c>gateway scrub</c>: reads everything that is stored, and compares it with its digests.</summary>
internal sealed class ScrubJob : IJobKind, IDisposable
{
    public const string Kind = "scrub";

    private readonly ICurrent<RepositoryRouter> _current;
    private readonly Scrubber _scrubber;
    private readonly Meter _meter = new("Gateway.Scrub");
    private readonly Counter<long> _read;

    public ScrubJob(ICurrent<RepositoryRouter> current, Scrubber scrubber)
    {
        (_current, _scrubber) = (current, scrubber);
        _read = _meter.CreateCounter<long>("gateway.scrub.read", "By", "Bytes that scrubs have read.");
    }

    public string Name => Kind;

    public JobSchedule? Schedule => _current.Value.Options.Scrub.Every is var every && every != Timeout.InfiniteTimeSpan
        ? new(every, TimeSpan.Zero, JsonSerializer.SerializeToElement(new EmptyRequest(), AdminJson.Default.EmptyRequest))
        : null;

    public async Task<JsonElement> RunAsync(JobRun run, CancellationToken stop)
    {
        var counted = 0L;
        var report = await _scrubber.RunAsync(new(_current.Value.Options.Scrub.Rate, run.Cursor), progress =>
        {
            run.Report(progress.Step, progress.Done, progress.Total, progress.Unit);
            if (progress.Cursor is not { } cursor) return;
            run.Save(cursor);
            _read.Add(progress.Done - counted);
            counted = progress.Done;
        }, (wanted, cancel) => DamagedFetch.RunAsync(_current.Value, wanted, cancel), stop);
        return JsonSerializer.SerializeToElement(report, AdminJson.Default.ScrubReport);
    }

    public void Dispose() => _meter.Dispose();
}
