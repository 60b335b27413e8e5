using System.Text.Json;
using Gateway.Configuration;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations;

/// <summary><c>gateway gc</c>: removes what nothing needs any more.</summary>
internal sealed class GcJob(ICurrent<RepositoryRouter> current, Origins origins, Collector collector) : IJobKind
{
    public const string Kind = "gc";

    public string Name => Kind;

    public JobSchedule? Schedule => current.Value.Options.Gc is { Every: var every, Grace: var grace } && every != Timeout.InfiniteTimeSpan
        ? new(every, grace, JsonSerializer.SerializeToElement(new GcRequest(), AdminJson.Default.GcRequest))
        : null;

    public async Task<JsonElement> RunAsync(JobRun run, CancellationToken stop)
    {
        var options = run.Request.Deserialize(AdminJson.Default.GcRequest)!;
        TimeSpan? untagged = Durations.TryParse(options.Untagged, out var age) ? age : null;
        var folders = current.Value.Options.Upstreams.Values
            .Select(each => origins.FolderOf(each.Key, each.Urls)).ToHashSet(StringComparer.Ordinal);
        var report = await collector.RunAsync(
            new(options.DryRun, untagged, folders), progress => run.Report(progress.Step, progress.Done, null, progress.Unit), stop);
        return JsonSerializer.SerializeToElement(report, AdminJson.Default.CollectionReport);
    }
}
