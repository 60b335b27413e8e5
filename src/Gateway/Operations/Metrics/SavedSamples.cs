using System.Text.Json;
using Gateway.Configuration;
using Gateway.Operations.ReadModels;

namespace Gateway.Operations;

/// <summary>
/// Sums of what the cache did, over an hour, a day and 30 days. They are in one small file that is written again each minute, so that they
/// survive a restart; a kill loses at most the last minute. The file can be deleted.
/// </summary>
internal sealed partial class SavedSamples(
    GatewayOptions options, Totals totals, TimeProvider clock, ILogger<SavedSamples> logger) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(1);

    // By name: the length of a step, and the number of steps.
    private static readonly Dictionary<string, (TimeSpan Step, int Steps)> Windows = new()
    {
        ["hour"] = (TimeSpan.FromMinutes(1), 60), ["day"] = (TimeSpan.FromMinutes(15), 96), ["month"] = (TimeSpan.FromDays(1), 30),
    };

    // 186 steps of about 100 characters.
    private const long MaxFile = 1 << 20;

    private readonly string _file = Path.Combine(options.Storage.Path, "gateway", "samples.json");
    private readonly Lock _lock = new();
    private Dictionary<string, List<SavedBucket>>? _rings;
    private SavedBucket _last = new(default, 0, 0, 0, 0);

    /// <summary>The name of a window; <c>day</c> for any other text.</summary>
    public static string WindowOf(string? text) => text is not null && Windows.ContainsKey(text) ? text : "day";

    /// <summary>Every step of a window, the oldest first; steps in which nothing happened have zeros.</summary>
    public IReadOnlyList<SavedBucket> Of(string window)
    {
        var (step, steps) = Windows[window];
        var end = StartOf(clock.GetUtcNow(), step);
        lock (_lock)
        {
            Take();
            var known = _rings![window].ToDictionary(static bucket => bucket.From);
            return
            [
                .. Enumerable.Range(0, steps).Select(i => end - (step * (steps - 1 - i)))
                    .Select(from => known.GetValueOrDefault(from) ?? new(from, 0, 0, 0, 0)),
            ];
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken)) Save();
        }
        catch (OperationCanceledException)
        {
            Save();
        }
    }

    private static DateTimeOffset StartOf(DateTimeOffset at, TimeSpan step) =>
        new(at.UtcTicks - (at.UtcTicks % step.Ticks), TimeSpan.Zero);

    // Adds what happened since the last time to the current step of each window.
    private void Take()
    {
        _rings ??= Read();
        var now = clock.GetUtcNow();
        var requests = Statistics.RequestsOf(totals);
        var sum = new SavedBucket(now, requests.Hits, requests.Misses, requests.BytesFromCache, requests.BytesFetched);
        var (hits, misses, served, fetched) =
            (sum.Hits - _last.Hits, sum.Misses - _last.Misses, sum.Served - _last.Served, sum.Fetched - _last.Fetched);
        _last = sum;
        if (hits + misses + served + fetched == 0) return;
        foreach (var (name, (step, steps)) in Windows)
        {
            var ring = _rings[name];
            var from = StartOf(now, step);
            if (ring.Count == 0 || ring[^1].From < from) ring.Add(new(from, 0, 0, 0, 0));
            var current = ring[^1];
            ring[^1] = current with
            {
                Hits = current.Hits + hits, Misses = current.Misses + misses, Served = current.Served + served,
                Fetched = current.Fetched + fetched,
            };
            ring.RemoveAll(bucket => bucket.From <= from - (step * steps));
        }
    }

    private Dictionary<string, List<SavedBucket>> Read()
    {
        var read = new Dictionary<string, List<SavedBucket>>();
        try
        {
            if (new FileInfo(_file) is { Exists: true, Length: < MaxFile })
                read = JsonSerializer.Deserialize(File.ReadAllBytes(_file), PageJson.Default.DictionaryStringListSavedBucket) ?? [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            LogFailed(_file, e.Message);
        }
        foreach (var name in Windows.Keys)
        {
            if (!read.TryGetValue(name, out var ring) || ring is null) read[name] = [];
        }
        return read;
    }

    private void Save()
    {
        byte[] bytes;
        lock (_lock)
        {
            Take();
            bytes = JsonSerializer.SerializeToUtf8Bytes(_rings!, PageJson.Default.DictionaryStringListSavedBucket);
        }
        try
        {
            File.WriteAllBytes($"{_file}.new", bytes);
            File.Move($"{_file}.new", _file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogFailed(_file, e.Message);
        }
    }

    [LoggerMessage(3050, LogLevel.Warning, "Samples of the overview cannot be stored in {File}: {Why}")]
    private partial void LogFailed(string file, string why);
}
