using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Gateway.Bench;

/// <summary>The load generators: wrk for many small answers, <see cref="Connection"/> for bodies.</summary>
internal static partial class Loads
{
    /// <summary>Asks over so many connections for one second; requests per second, and CPU in microseconds for each.</summary>
    public static Sample Wrk(string rig, Server server, int port, string path, int connections, bool tls = false, string? script = null)
    {
        var start = new ProcessStartInfo(
            Path.Combine(rig, "bin/wrk"),
            [
                "-t1", $"-c{connections}", "-d1s", "--latency", "-H", $"Accept: {Configurations.ManifestType}",
                .. script is null ? Array.Empty<string>() : ["-s", script],
                $"{(tls ? "https" : "http")}://127.0.0.1:{port}{path}",
            ]) { RedirectStandardOutput = true };
        var before = server.Cpu;
        using var wrk = Process.Start(start)!;
        var text = wrk.StandardOutput.ReadToEnd();
        wrk.WaitForExit();
        var cpu = server.Cpu - before;
        if (text.Contains("Non-2xx", StringComparison.Ordinal) || text.Contains("Socket errors", StringComparison.Ordinal))
            Console.Error.WriteLine($"bench: failed requests of {path}: {string.Join(' ', text.Split('\n').Where(IsFailure)).Trim()}");
        var requests = Number(RequestsText().Match(text).Groups[1].Value);
        return new(Number(RateText().Match(text).Groups[1].Value), cpu / requests * 1e6)
        {
            P50 = Milliseconds(MedianText().Match(text)), P99 = Milliseconds(HundredthText().Match(text)),
        };
    }

    /// <summary>
    /// Reads one blob over so many connections, again and again for a second; MiB per second, CPU in seconds per GB, and the latencies of
    /// whole answers.
    /// </summary>
    public static Sample Bodies(Server server, int port, string path, int connections, bool tls = false)
    {
        var (bytes, ended) = (0L, false);
        List<double> latencies = [];
        var (before, start) = (server.Cpu, Stopwatch.GetTimestamp());
        Together(connections, _ =>
        {
            using var connection = Connection.Open(port, tls);
            while (!Volatile.Read(ref ended))
            {
                var asked = Stopwatch.GetTimestamp();
                connection.Send("GET", path);
                var status = connection.ReadHead();
                if (status != 200) throw new InvalidOperationException($"expected 200 for {path}, got {status}");
                var left = connection.Length;
                while (left > 0 && !Volatile.Read(ref ended))
                {
                    var read = connection.ReadPiece(left);
                    left -= read;
                    Interlocked.Add(ref bytes, read);
                    if (Stopwatch.GetElapsedTime(start).TotalSeconds >= 1) Volatile.Write(ref ended, true);
                }
                if (left > 0) continue;
                lock (latencies) latencies.Add(Stopwatch.GetElapsedTime(asked).TotalMilliseconds);
            }
        });
        var (took, cpu) = (Stopwatch.GetElapsedTime(start).TotalSeconds, server.Cpu - before);
        latencies.Sort();
        return new(bytes / 1048576.0 / took, cpu / (bytes / 1e9))
        {
            P50 = latencies.Count == 0 ? double.NaN : latencies[latencies.Count / 2],
            P99 = latencies.Count == 0 ? double.NaN : latencies[latencies.Count * 99 / 100],
        };
    }

    /// <summary>
    /// One pull of one blob by so many clients at once: seconds until all have it, and CPU in seconds until the server is at rest.
    /// </summary>
    public static Sample Pull(Server server, int port, string path, int clients) => Pull([(server, port)], path, clients);

    /// <summary>The same by several servers: each client asks the next one.</summary>
    public static Sample Pull(IReadOnlyList<(Server Server, int Port)> servers, string path, int clients)
    {
        var firsts = new double[clients];
        var (before, start) = (servers.Sum(static each => each.Server.Cpu), Stopwatch.GetTimestamp());
        Together(clients, i =>
        {
            using var connection = Connection.Open(servers[i % servers.Count].Port);
            var asked = Stopwatch.GetTimestamp();
            connection.Send("GET", path);
            var status = connection.ReadHead();
            if (status != 200) throw new InvalidOperationException($"expected 200 for {path}, got {status}");
            var first = connection.ReadPiece(1);
            firsts[i] = Stopwatch.GetElapsedTime(asked).TotalMilliseconds;
            connection.ReadBody(connection.Length - first);
        });
        var took = Stopwatch.GetElapsedTime(start).TotalSeconds;
        foreach (var (server, _) in servers) server.Settle();
        return new(took, servers.Sum(static each => each.Server.Cpu) - before) { First = Series.Median(firsts) };
    }

    private static void Together(int clients, Action<int> act)
    {
        if (clients == 1)
        {
            act(0);
            return;
        }
        Exception? problem = null;
        var threads = Enumerable.Range(0, clients).Select(i => new Thread(
            () =>
            {
                try
                {
                    act(i);
                }
                catch (Exception e) when (Server.IsOver || e is IOException or InvalidOperationException)
                {
                    problem = e;
                }
            },
            256 * 1024)).ToArray();
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        if (problem is not null) throw new InvalidOperationException(problem.Message, problem);
    }

    private static bool IsFailure(string line) =>
        line.Contains("Non-2xx", StringComparison.Ordinal) || line.Contains("Socket errors", StringComparison.Ordinal);

    private static double Milliseconds(Match match) => Number(match.Groups[1].Value) * match.Groups[2].Value switch
    {
        "us" => 0.001,
        "ms" => 1,
        "s" => 1000,
        _ => double.NaN,
    };

    private static double Number(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : double.NaN;

    [GeneratedRegex(@"(\d+) requests in ")]
    private static partial Regex RequestsText();

    [GeneratedRegex(@"Requests/sec: *([\d.]+)")]
    private static partial Regex RateText();

    [GeneratedRegex(@"50% +([\d.]+)(us|ms|s)")]
    private static partial Regex MedianText();

    [GeneratedRegex(@"99% +([\d.]+)(us|ms|s)")]
    private static partial Regex HundredthText();
}
