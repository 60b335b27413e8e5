using System.Diagnostics.Metrics;
using System.Text.Json;
using Gateway.Configuration;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations;

/// <summary><c>gateway gc</c>: removes what nothing needs any more.</summary>
internal sealed class GcJob : IJobKind, IDisposable
{
    public const string Kind = "gc";

    private readonly ICurrent<RepositoryRouter> _current;
    private readonly Origins _origins;
    private readonly Collector _collector;
    private readonly Meter _meter = new("Gateway.Collection");
    private readonly Counter<long> _removed;
    private readonly Counter<long> _removedBytes;

    public GcJob(ICurrent<RepositoryRouter> current, Origins origins, Collector collector)
    {
        (_current, _origins, _collector) = (current, origins, collector);
        _removed = _meter.CreateCounter<long>("gateway.gc.removed", description: "Blobs and manifests whose bytes collections removed.");
        _removedBytes = _meter.CreateCounter<long>("gateway.gc.removed.bytes", "By", "Bytes that collections removed.");
        _meter.CreateObservableGauge(
            "gateway.gc.condemned", () => _collector.Condemned,
            description: "Blobs and manifests in the bucket that a collection removes after the grace time, unless they are used.");
    }

    public string Name => Kind;

    public JobSchedule? Schedule => _current.Value.Options.Gc is { Every: var every, Grace: var grace } && every != Timeout.InfiniteTimeSpan
        ? new(every, grace, JsonSerializer.SerializeToElement(new GcRequest(), AdminJson.Default.GcRequest))
        : null;

    public async Task<JsonElement> RunAsync(JobRun run, CancellationToken stop)
    {
        var options = run.Request.Deserialize(AdminJson.Default.GcRequest)!;
        TimeSpan? untagged = Durations.TryParse(options.Untagged, out var age) ? age : null;
        var configured = _current.Value.Options;
        var folders = configured.Upstreams.Values
            .Select(each => _origins.FolderOf(each.Key, each.Urls)).ToHashSet(StringComparer.Ordinal);
        var request = new CollectionRequest(options.DryRun, untagged, folders) { SignatureRepositories = SignaturesIn(configured) };
        // At the start of the gateway everything counts as used: a resumed collection would remove nothing, and be done.
        if (run.IsResumed) await _collector.UsesKnownAsync(Show, stop);
        var report = await _collector.RunAsync(request, Show, stop);
        foreach (var root in options.DryRun ? [] : report.Roots)
        {
            var tag = new KeyValuePair<string, object?>("root", root.Root);
            if (root.Contents > 0) _removed.Add(root.Contents, tag);
            if (root.Bytes > 0) _removedBytes.Add(root.Bytes, tag);
        }
        return JsonSerializer.SerializeToElement(report, AdminJson.Default.CollectionReport);

        void Show(CollectionProgress progress) => run.Report(progress.Step, progress.Done, null, progress.Unit);
    }

    /// <summary>The signature repositories of the policy that are in built-in storage.</summary>
    internal static HashSet<string> SignaturesIn(GatewayOptions options)
    {
        var names = new RepositoryNames(options);
        return
        [
            .. from written in options.Policy?.Trust.AllSignatureRepositories() ?? []
               where names.Find(written) is { Upstream: null }
               select names.Find(written)!.Value.Name.Value,
        ];
    }

    public void Dispose() => _meter.Dispose();
}
