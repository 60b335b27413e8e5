using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Gateway.Configuration;

namespace Gateway.Operations;

/// <summary>Pulls of a tag or manifest.</summary>
/// <param name="Count">Number of times that a client got the manifest.</param>
/// <param name="Last">The last time; null for never.</param>
public sealed record PullView(long Count, DateTimeOffset? Last);

/// <summary>
/// Counts how often clients got manifests, by tag and by digest, and when they last did. A pull adds to a counter in memory; every five
/// minutes the counters are written to one file, without a flush, so that a kill loses at most five minutes. The file can be deleted. Each
/// replica counts its own clients.
/// </summary>
internal sealed partial class PullCounts(GatewayOptions options, TimeProvider clock, ILogger<PullCounts> logger) : BackgroundService
{
    /// <summary>
    /// The most counters, about 300 bytes each. Those that were not used for longest are forgotten first. Chosen: the content that is in
    /// use of a large store.
    /// </summary>
    public const int Most = 20_000;

    private const long MaxFile = 16L << 20;

    private static readonly TimeSpan Every = TimeSpan.FromMinutes(5);

    private readonly string _file = Path.Combine(options.Storage.Path, "gateway", "pulls.tsv");
    private readonly ConcurrentDictionary<(string Repository, string Reference), Counter> _counters = new();
    private int _number;
    private long _changes;
    private bool _isRead;

    private sealed class Counter
    {
        public long Count;

        // Unix milliseconds.
        public long Last;
    }

    /// <summary>Counts a finished request, if it is a pull of a manifest.</summary>
    /// <param name="canonical">The canonical name of the repository; null when the request was not routed to one.</param>
    public void Note(RequestRecord record, string? canonical)
    {
        if (canonical is not null && record is { Route: "manifest", Method: "GET", Status: 200, Reference: { } reference })
            Note(canonical, reference);
    }

    /// <param name="repository">The canonical name.</param>
    /// <param name="reference">The tag or digest.</param>
    public void Note(string repository, string reference)
    {
        if (!_counters.TryGetValue((repository, reference), out var counter))
        {
            // Until the next writing has made room.
            if (Volatile.Read(ref _number) >= Most) return;
            counter = _counters.GetOrAdd((repository, reference), static _ => new());
            Volatile.Write(ref _number, _counters.Count);
        }
        Interlocked.Increment(ref counter.Count);
        Volatile.Write(ref counter.Last, clock.GetUtcNow().ToUnixTimeMilliseconds());
        _changes = 1;
    }

    /// <summary>Pulls of a tag: by its name, and by the digest that it is bound to.</summary>
    public PullView Of(string repository, string tag, string digest)
    {
        var (one, other) = (Find(repository, tag), digest == tag ? default : Find(repository, digest));
        var last = Math.Max(one.Last, other.Last);
        return new(one.Count + other.Count, last == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(last));
    }

    /// <summary>When each repository was last pulled from, by its canonical name; those that are not here were not, or long ago.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset> LastByRepository()
    {
        var last = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var ((repository, _), counter) in _counters)
            last[repository] = Math.Max(last.GetValueOrDefault(repository), Volatile.Read(ref counter.Last));
        return last.ToDictionary(static each => each.Key, static each => DateTimeOffset.FromUnixTimeMilliseconds(each.Value));
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Yield();
        Read();
        using var timer = new PeriodicTimer(Every, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken)) Save();
    }

    /// <summary>Stores the counts, also when the gateway ends before the first ones were read.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        Read();
        Save();
    }

    private (long Count, long Last) Find(string repository, string reference) =>
        _counters.TryGetValue((repository, reference), out var counter)
            ? (Volatile.Read(ref counter.Count), Volatile.Read(ref counter.Last)) : default;

    // A line for each counter: repository, tag or digest, count, last.
    private void Read()
    {
        if (_isRead) return;
        _isRead = true;
        try
        {
            if (new FileInfo(_file) is not { Exists: true, Length: < MaxFile }) return;
            foreach (var line in File.ReadLines(_file).Take(Most))
            {
                if (line.Split('\t') is not [var repository, var reference, var count, var last]) continue;
                if (!long.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var pulls)) continue;
                if (!long.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out var at)) continue;
                var counter = _counters.GetOrAdd((repository, reference), static _ => new());
                Interlocked.Add(ref counter.Count, pulls);
                if (at > Volatile.Read(ref counter.Last)) Volatile.Write(ref counter.Last, at);
            }
            Volatile.Write(ref _number, _counters.Count);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogFailed(_file, e.Message);
        }
    }

    private void Save()
    {
        if (Interlocked.Exchange(ref _changes, 0) == 0) return;
        MakeRoom();
        try
        {
            using (var file = new StreamWriter($"{_file}.new", append: false, new UTF8Encoding(false), 64 * 1024))
            {
                foreach (var ((repository, reference), counter) in _counters)
                    file.Write($"{repository}\t{reference}\t{Volatile.Read(ref counter.Count)}\t{Volatile.Read(ref counter.Last)}\n");
            }
            File.Move($"{_file}.new", _file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogFailed(_file, e.Message);
        }
    }

    // A tenth, so that new ones find room until the next time.
    private void MakeRoom()
    {
        if (_counters.Count < Most * 9 / 10) return;
        var oldest = _counters.OrderBy(static each => Volatile.Read(ref each.Value.Last)).Take(_counters.Count - (Most * 8 / 10));
        foreach (var (key, _) in oldest.ToArray()) _counters.TryRemove(key, out _);
        Volatile.Write(ref _number, _counters.Count);
    }

    [LoggerMessage(3051, LogLevel.Warning, "Counts of pulls cannot be stored in {File}: {Why}")]
    private partial void LogFailed(string file, string why);
}
