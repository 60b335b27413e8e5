using System.Collections.Concurrent;
using BitFaster.Caching.Lru;
using Gateway.Configuration;

namespace Gateway.Replicas;

/// <summary>
/// What the operator did at one replica and all must do: purges. They go to each replica directly, whose answer is the confirmation, and
/// into a stream in Redis for those that cannot be reached now. A replica that lost track of the stream drops every remembered answer.
/// </summary>
internal sealed class News(
    Members members, PeerClient peers, ReplicaSelf self, PeerSecret secret, TimeProvider clock, ILogger<News> logger,
    RedisLink? redis = null)
    : BackgroundService
{
    // Chosen: a replica that could not be reached hears of a purge within a second of its return.
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    // Chosen: a purge walks the cached repositories; the operator waits for it.
    private static readonly TimeSpan Confirms = TimeSpan.FromSeconds(10);

    // Chosen: a fault that does not pass within seconds, such as an entry of a later version, must not keep later news away.
    private const int MostTries = 5;

    /// <summary>KEYS: stream. ARGV: id of the news, its sender, what to purge, signature. Keeps about 10,000.</summary>
    private const string Add = """
        return redis.call(
          'XADD', KEYS[1], 'MAXLEN', '~', 10000, '*', 'id', ARGV[1], 'by', ARGV[2], 'purge', ARGV[3], 'signature', ARGV[4])
        """;

    /// <summary>
    /// KEYS: stream. ARGV: the last entry that was read; empty at the start. Returns "ok" or "lost", the last entry of the reply, the last
    /// one of the stream, and four texts of each entry since. After a loss all entries are read: one may have been added since.
    /// </summary>
    private const string Read = """
        local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
        local last = newest[1] and newest[1][1] or '0-0'
        if ARGV[1] == '' then return {'ok', last, last} end
        local found = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', 100)
        local from = 1
        if ARGV[1] ~= '0-0' then
          if not found[1] or found[1][1] ~= ARGV[1] then return {'lost', '0-0', last} end
          from = 2
        end
        local reply = {'ok', ARGV[1], last}
        for i = from, #found do
          reply[2] = found[i][1]
          for _, at in ipairs({2, 4, 6, 8}) do table.insert(reply, found[i][2][at] or '') end
        end
        return reply
        """;

    private readonly ConcurrentLru<string, bool> _done = new(1000);
    private readonly ConcurrentDictionary<string, Lazy<Task>> _hearing = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _tries = [];
    private readonly long _startedAt = clock.GetTimestamp();
    private string? _last;
    private long? _upToDateAt;

    /// <summary>The purges that were told here and are not confirmed.</summary>
    public UnconfirmedPurges Unconfirmed { get; } = new(members, clock);

    /// <summary>The last entry of the stream that was carried out; empty for none.</summary>
    public string Position => _last ?? "";

    /// <summary>The time since all news were carried out; null without Redis. It grows while Redis is silent.</summary>
    public TimeSpan? Lag => redis is null ? null : clock.GetElapsedTime(_upToDateAt ?? _startedAt);

    /// <summary>
    /// The file that keeps the last entry that was read, so that purges from while this replica was down are carried out; null for none.
    /// Set before the gateway starts.
    /// </summary>
    public string? PositionFile { get; set; }

    /// <summary>Whether this replica has cached content that a purge could concern; set before the gateway starts.</summary>
    public Func<bool> HasCache { get; set; } = () => false;

    /// <summary>Purges here; set before the gateway starts.</summary>
    public Func<string, CancellationToken, Task> Purge { get; set; } = (_, _) => Task.CompletedTask;

    /// <summary>Drops what this replica remembers of upstreams; set before the gateway starts.</summary>
    public Func<Task> Forget { get; set; } = () => Task.CompletedTask;

    /// <summary>
    /// Tells all other replicas to purge. Returns the addresses of those that did not confirm: they hear of it in the stream when they
    /// reach Redis again.
    /// </summary>
    public async Task<IReadOnlyList<string>> TellAsync(string what, CancellationToken cancellationToken)
    {
        var id = Guid.NewGuid().ToString("N");
        _done.AddOrUpdate(id, true);
        var entry = await AddAsync(id, what);
        var told = await Task.WhenAll(members.Others.Select(async other =>
            (other.Url, (await peers.TellAsync(other.Url, TargetOf(id, what), Confirms, cancellationToken)).Problem)));
        foreach (var (url, problem) in told)
        {
            if (problem is null) continue;
            Log.PurgeUnconfirmed(logger, url, what, problem);
            Unconfirmed.Add(new(id, what, url, clock.GetUtcNow(), entry));
        }
        return [.. told.Where(each => each.Problem is not null).Select(each => each.Url.GetLeftPart(UriPartial.Authority))];
    }

    /// <summary>Carries out a purge of another replica, once, however often and by which way it is told.</summary>
    /// <param name="id">Of the news.</param>
    /// <param name="stop">Ends the purge for all who wait for it.</param>
    public Task HearAsync(string id, string what, CancellationToken stop) =>
        _done.TryGet(id, out _) ? Task.CompletedTask : _hearing.GetOrAdd(id, _ => new(() => OnceAsync(id, what, stop))).Value;

    private async Task OnceAsync(string id, string what, CancellationToken stop)
    {
        // Others that hear of it must not wait for the first step.
        await Task.Yield();
        try
        {
            // It may have ended since the caller looked.
            if (_done.TryGet(id, out _)) return;
            await Purge(what, stop);
            _done.AddOrUpdate(id, true);
            Log.Purged(logger, what);
        }
        finally
        {
            _hearing.TryRemove(id, out _);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await Task.WhenAll(
                redis is null ? Task.CompletedTask : EachSecondAsync(() => ReadAsync(redis, stoppingToken), stoppingToken),
                EachSecondAsync(() => Unconfirmed.SettleAsync(purge => TellAgainAsync(purge, stoppingToken)), stoppingToken));
        }
        catch (OperationCanceledException)
        {
            // The gateway ends.
        }
    }

    private async Task EachSecondAsync(Func<Task> action, CancellationToken cancellationToken)
    {
        while (true)
        {
            await action();
            await Task.Delay(Interval, clock, cancellationToken);
        }
    }

    private async Task<(string? Entry, Told Told)> TellAgainAsync(UnconfirmedPurge purge, CancellationToken cancellationToken)
    {
        var entry = purge.Entry ?? await AddAsync(purge.Id, purge.What);
        return (entry, await peers.TellAsync(purge.Replica, TargetOf(purge.Id, purge.What), Confirms, cancellationToken));
    }

    /// <summary>Adds a purge to the stream. Returns the entry; null without an answer of Redis.</summary>
    private async Task<string?> AddAsync(string id, string what)
    {
        if (redis is null) return null;
        var signature = secret.Sign("news", Signed(id, self.Id, what));
        return (await redis.RunAsync(Add, [redis.Key("news")], [id, self.Id, what, signature])).Text;
    }

    private static string TargetOf(string id, string what) => $"{PeerPaths.PurgePath}?id={id}&what={Uri.EscapeDataString(what)}";

    private async Task ReadAsync(RedisLink link, CancellationToken cancellationToken)
    {
        var since = _last ??= ReadPosition();
        var reply = await link.RunAsync(Read, [link.Key("news")], [since]);
        if (!reply.Answered || reply.Texts is not [var state, var last, var newest, .. var texts]) return;
        // Without a position, purges may have been missed only if there was something to purge.
        if ((state == "lost" || (since.Length == 0 && HasCache())) && !await TryAsync("lost", LoseAsync, cancellationToken)) return;
        foreach (var entry in texts.Chunk(4))
        {
            if (entry is not [var id, var by, var what, var signature] || by == self.Id) continue;
            if (!secret.IsSigned("news", Signed(id, by, what), signature)) Log.NewsUnsigned(logger, by);
            else if (!await TryAsync(id, () => HearAsync(id, what, cancellationToken), cancellationToken)) return;
        }
        if (last == newest) _upToDateAt = clock.GetTimestamp();
        if (last == since) return;
        _last = last;
        WritePosition(last);
    }

    private Task LoseAsync()
    {
        ReplicaMetrics.NewsLost();
        Log.NewsLost(logger);
        return Forget();
    }

    /// <summary>False if it failed and is to be tried again in a second; after some failures it is given up.</summary>
    private async Task<bool> TryAsync(string id, Func<Task> action, CancellationToken cancellationToken)
    {
        try
        {
            await action();
        }
        catch (Exception e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var tries = _tries[id] = _tries.GetValueOrDefault(id) + 1;
            if (tries < MostTries)
            {
                Log.NewsFailed(logger, e.Message);
                return false;
            }
            Log.NewsGivenUp(logger, e, id);
        }
        _tries.Remove(id);
        return true;
    }

    private string ReadPosition()
    {
        try
        {
            return PositionFile is { } file && File.Exists(file) && BoundedFile.ReadText(file).Trim() is var text && IsPosition(text)
                ? text
                : "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.NewsFailed(logger, e.Message);
            return "";
        }
    }

    // As Redis writes it: two numbers. Anything else would make each of its answers an error.
    private static bool IsPosition(string text) =>
        text.Length < 64 && text.Split('-') is [{ Length: > 0 } time, { Length: > 0 } number]
        && time.All(char.IsAsciiDigit) && number.All(char.IsAsciiDigit);

    private void WritePosition(string last)
    {
        if (PositionFile is not { } file) return;
        try
        {
            File.WriteAllText($"{file}.new", last);
            File.Move($"{file}.new", file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // After a restart, the entries since the last position that was kept are read once more, which does no harm.
            Log.NewsFailed(logger, e.Message);
        }
    }

    private static string Signed(string id, string by, string what) => $"{id}\n{by}\n{what}";
}
