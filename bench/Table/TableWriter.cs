using System.Globalization;

namespace Gateway.Bench;

/// <summary>The table as Markdown, a line for each row as soon as it is measured.</summary>
internal static class TableWriter
{
    public static void Head()
    {
        Console.WriteLine("| row | gateway | CPU | p50 / p99 ms | first byte ms | peak MiB | peers: figure, gateway ÷ peer (CPU ÷ peer) | goal: met |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|");
    }

    public static void Write(Row row, Series series)
    {
        const string Gateway = Series.Gateway;
        var latency = series.Median(Gateway, s => s.P50);
        string[] cells =
        [
            row.Name,
            $"{N(series.Median(Gateway, s => s.Value))} {row.Unit}",
            Text(series.Median(Gateway, s => s.Cpu), $" {row.CpuUnit}"),
            double.IsNaN(latency) ? "" : $"{N(latency)} / {N(series.Median(Gateway, s => s.P99))}",
            Text(series.Median(Gateway, s => s.First)),
            series.Peaks.TryGetValue(Gateway, out var peak) ? N(peak) : "",
            string.Join("; ", series.Servers.Where(server => server != Gateway).Select(server => Peer(row, series, server))),
            string.Join("; ", row.Goals.Select(goal => $"{goal.Text}: {goal.Judge(series)}")),
        ];
        Console.WriteLine($"| {string.Join(" | ", cells)} |");
    }

    private static string Peer(Row row, Series series, string server)
    {
        var cpu = series.Ratio(server, s => s.Cpu);
        var first = series.Median(server, s => s.First);
        var upstream = series.Median(server, s => s.Upstream);
        return $"{server} {N(series.Median(server, s => s.Value))} {row.Unit}, **{N(series.Ratio(server, s => s.Value))}**"
            + (double.IsNaN(cpu) ? "" : $" ({N(cpu)})")
            + (double.IsNaN(first) ? "" : $", first byte {N(first)} ms")
            + (double.IsNaN(upstream) ? "" : $", {N(upstream)} MiB from upstream");
    }

    /// <summary>The machine, on which every absolute figure depends.</summary>
    public static string Machine()
    {
        var model = Field("/proc/cpuinfo", "model name");
        var memory = double.Parse(Field("/proc/meminfo", "MemTotal").Split(' ')[0], CultureInfo.InvariantCulture) / 1048576;
        var load = File.ReadAllText("/proc/loadavg").Split(' ')[0];
        var system = $"Linux {Environment.OSVersion.Version}, .NET {Environment.Version}";
        return $"{Environment.ProcessorCount} × {model}, {memory:0} GiB, {system}, load {load} at the start";
    }

    private static string Field(string file, string name) =>
        File.ReadLines(file).First(line => line.StartsWith(name, StringComparison.Ordinal)).Split(':')[1].Trim();

    private static string Text(double value, string unit = "") => double.IsNaN(value) ? "" : N(value) + unit;

    private static string N(double value) => Goal.N(value);
}
