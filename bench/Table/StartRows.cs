using System.Diagnostics;

namespace Gateway.Bench;

/// <summary>The start, and the memory.</summary>
internal sealed class StartRows(Settings settings, Peers peers)
{
    private static string FirstManifest => $"/v2/{GeneratedLayout.Repository(0)}/manifests/{GeneratedLayout.Tag(0)}";

    public IEnumerable<Row> All()
    {
        var (blobs, tags) = settings.Layout;
        yield return new(
            "start to the first 200, empty", "s", "s", s => Start(s, null, "/v2/", Configurations.Credentials),
            // The goal names the populated start; an empty one must not take longer.
            Goal.Value("< 0.5 s", 0.5));
        yield return new(
            $"start to the first 200, {blobs:N0} blobs, {tags:N0} tags", "s", "s",
            s => Start(s, Generate(), FirstManifest, Configurations.Accept),
            Goal.Value("< 0.5 s", 0.5));
        yield return new(
            $"first page of _catalog, {blobs:N0} blobs, {tags:N0} tags", "ms", "", Catalog, Goal.Value("< 50 ms", 50));
        yield return new("memory after the start, 2 s idle", "MiB", "", Resident, Goal.Value("≤ 80 MiB", 80));
        yield return new(
            "memory, the peak of all rows above", "MiB", "", s => s.Add(Series.Gateway, new(peers.GatewayPeak ?? double.NaN)),
            Goal.Value("≤ 150 MiB", 150));
    }

    private string Generate() => GeneratedLayout.Make(settings.Layouts, settings.Layout.Blobs, settings.Layout.Tags);

    private void Start(Series series, string? storage, string path, string headers) => Row.Alternate(
        series, [.. ((string[])[Series.Gateway, Peers.Registry]).Select(name => new Turn(name, settings.Rounds(5), () =>
        {
            using var server = StartNew(name, storage);
            var took = server.WaitFor(path, headers: headers);
            return new(took, server.Cpu);
        }, IsWarmedUp: false))]);

    private void Catalog(Series series)
    {
        var storage = Generate();
        Row.Alternate(series, [.. ((string[])[Series.Gateway, Peers.Registry]).Select(name => new Turn(name, settings.Rounds(3), () =>
        {
            using var server = StartNew(name, storage);
            server.WaitFor(FirstManifest, Configurations.Accept);
            using var connection = Connection.Open(server.Port);
            var start = Stopwatch.GetTimestamp();
            var status = connection.Get("/v2/_catalog?n=100", Configurations.Credentials);
            if (status != 200) throw new InvalidOperationException($"expected 200 for the catalog of {name}, got {status}");
            return new(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }, IsWarmedUp: false))]);
    }

    private void Resident(Series series)
    {
        for (var round = 0; round < settings.Rounds(3); round++)
        {
            foreach (var name in (string[])[Series.Gateway, Peers.Registry])
            {
                using var server = StartNew(name, null);
                server.WaitFor("/v2/", headers: Configurations.Credentials);
                Thread.Sleep(2000);
                series.Add(name, new(server.Resident));
            }
        }
    }

    // What an earlier start wrote beside the layout is removed, so that each start is the first one with this content.
    private Server StartNew(string name, string? storage)
    {
        var folder = storage ?? Path.Combine(peers.Work, $"start-{name}");
        var own = storage is null ? folder : Path.Combine(folder, "gateway");
        if (Directory.Exists(own)) Directory.Delete(own, recursive: true);
        Directory.CreateDirectory(folder);
        return name == Series.Gateway
            ? peers.StartGateway("starting", folder, hasPolicy: true)
            : peers.StartRegistryOver("starting-registry", folder);
    }
}
