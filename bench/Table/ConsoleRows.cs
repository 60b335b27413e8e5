using System.Diagnostics;
using System.Text;

namespace Gateway.Bench;

/// <summary>Pages of the console on a store with many repositories.</summary>
internal sealed class ConsoleRows(Settings settings, RepositoriesGateway gateway)
{
    private const int Requests = 20;

    // What is counted in the background is counted in half a minute on a busy machine.
    private static readonly TimeSpan CountLimit = TimeSpan.FromMinutes(3);

    public IEnumerable<Row> All()
    {
        var (repositories, tags) = settings.Console;
        (string Name, string Path)[] pages =
        [
            ("overview", "/"), ("repositories", "/repositories"), ("search", "/repositories?search=app-0042"),
            ("largest", "/repositories?sort=size"), ("own", "/repositories?sort=own"), ("tree", "/tree"),
            ("tags", $"/tags?repository={GeneratedLayout.Repository(42)}"),
            ("image", $"/image?repository={GeneratedLayout.Repository(42)}&reference={GeneratedLayout.Tag(1)}"),
            ("layers", $"/layers?repository={GeneratedLayout.Repository(42)}&reference={GeneratedLayout.Tag(1)}"), ("holds", "/holds"),
            ("policy", "/policy"), ("activity", "/activity"), ("upkeep", "/upkeep"),
        ];
        foreach (var (name, path) in pages)
        {
            yield return new(
                $"console page {name}, {repositories:N0} repositories, {repositories * tags:N0} tags", "ms", "ms/page",
                series => Row.Alternate(series, new Turn(Series.Gateway, settings.Rounds(3), () => Measure(path))),
                Goal.Value("< 50 ms", 50));
        }
    }

    // The median of warm requests, as a person has who looks around.
    private Sample Measure(string path)
    {
        var server = gateway.Server;
        using var connection = Connection.Open(gateway.OperatorPort);
        WaitUntilCounted(connection, path);
        var (times, before) = (new double[Requests], server.Cpu);
        for (var i = 0; i < Requests; i++)
        {
            var start = Stopwatch.GetTimestamp();
            var status = connection.Get(path, "");
            if (status != 200) throw new InvalidOperationException($"expected 200 for {path}, got {status}");
            times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
        Array.Sort(times);
        return new(Series.Median(times), (server.Cpu - before) * 1000 / Requests) { P50 = Series.Median(times), P99 = times[^1] };
    }

    // A page that shows "Counting…" is not yet what a person waits for.
    private static void WaitUntilCounted(Connection connection, string path)
    {
        var (start, isCounted) = (Stopwatch.GetTimestamp(), false);
        while (!isCounted)
        {
            if (Stopwatch.GetElapsedTime(start) > CountLimit)
                throw new InvalidOperationException($"expected that {path} is counted within 3 min, got a page that still counts");
            connection.Send("GET", path);
            _ = connection.ReadHead();
            var page = new List<byte>();
            connection.ReadBody(connection.Length, piece => page.AddRange(piece));
            isCounted = !Encoding.UTF8.GetString([.. page]).Contains("Counting…", StringComparison.Ordinal);
            if (!isCounted) Thread.Sleep(200);
        }
    }
}
