using System.Globalization;
using Gateway.Bench;

// Compares eviction policies on generated traces of image pulls, and prints Markdown. The same arguments print the same output.
//   dotnet run -c Release --project bench/Eviction [--seed N]
var seed = args is ["--seed", var number] ? int.Parse(number, CultureInfo.InvariantCulture) : 1;

(string Name, Func<long, ICache> Make)[] policies =
[
    ("FIFO", size => new ListCache(size, isLru: false)),
    ("LRU", size => new ListCache(size, isLru: true)),
    ("S3-FIFO", size => new S3Fifo(size)),
    ("W-TinyLFU", size => new TinyLfu(size)),
    ("GDSF, hits", size => new PlainGreedyDual(size, byBytes: false)),
    ("GDSF, bytes", size => new PlainGreedyDual(size, byBytes: true)),
    ("**gateway**", size => new GatewayCache(size)),
];

Console.WriteLine($"Seed {seed}. Hits of 100 requests / bytes of 100 bytes that the cache served.");
foreach (var (skew, withScans) in from skew in new[] { 0.7, 0.9, 1.1 } from withScans in new[] { false, true } select (skew, withScans))
{
    var trace = new Trace(seed, skew, withScans);
    Console.WriteLine();
    Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"Skew {skew}, {(withScans ? "with" : "without")} scans: {trace.Requests.Count:N0} requests for {trace.Footprint / (double)(1L << 30):N0} GiB"));
    Console.WriteLine();
    Console.WriteLine($"| cache | {string.Join(" | ", policies.Select(p => p.Name))} |");
    Console.WriteLine($"|---|{string.Concat(policies.Select(_ => "---|"))}");
    foreach (var percent in new[] { 1, 2, 5, 10, 20, 50 })
    {
        var cells = policies.AsParallel().AsOrdered().Select(p => Measure(trace, p.Make(trace.Footprint / 100 * percent)));
        Console.WriteLine($"| {percent} % | {string.Join(" | ", cells)} |");
    }
}

static string Measure(Trace trace, ICache cache)
{
    var (hits, hitBytes, bytes) = (0L, 0L, 0L);
    foreach (var request in trace.Requests)
    {
        bytes += request.Size;
        if (!cache.Ask(request)) continue;
        hits++;
        hitBytes += request.Size;
    }
    return string.Create(CultureInfo.InvariantCulture, $"{100.0 * hits / trace.Requests.Count:0.0} / {100.0 * hitBytes / bytes:0.0}");
}
