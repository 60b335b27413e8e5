using BitFaster.Caching.Lru;

namespace Gateway.Replicas;

/// <summary>
/// What the operator did at one replica and all must do: purges. They go to each replica directly, whose answer is the confirmation, and
/// into a stream in Redis for those that cannot be reached now. A replica that lost track of the stream drops every remembered answer.
/// </summary>
internal sealed class News(
    Members members, PeerClient peers, ReplicaSelf self, TimeProvider clock, ILogger<News> logger, RedisLink? redis = null)
    : BackgroundService
{
    // Chosen: a replica that could not be reached hears of a purge within a second of its return.
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    // Chosen: a purge walks the cached repositories; the operator waits for it.
    private static readonly TimeSpan Confirms = TimeSpan.FromSeconds(10);

    /// <summary>KEYS: stream. ARGV: id of the news, its sender, what to purge. Keeps about 10,000.</summary>
    private const string Add =
        "return redis.call('XADD', KEYS[1], 'MAXLEN', '~', 10000, '*', 'id', ARGV[1], 'by', ARGV[2], 'purge', ARGV[3])";

    /// <summary>
    /// KEYS: stream. ARGV: the last entry that was read; empty at the start. Returns "ok" or "lost", the last entry, and three texts of
    /// each entry since.
    /// </summary>
    private const string Read = """
        local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
        local last = newest[1] and newest[1][1] or '0-0'
        if ARGV[1] == '' then return {'ok', last} end
        local found = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', 100)
        local from = 1
        if ARGV[1] ~= '0-0' then
          if not found[1] or found[1][1] ~= ARGV[1] then return {'lost', last} end
          from = 2
        end
        local reply = {'ok', ARGV[1]}
        for i = from, #found do
          reply[2] = found[i][1]
          for _, at in ipairs({2, 4, 6}) do table.insert(reply, found[i][2][at]) end
        end
        return reply
        """;

    private readonly ConcurrentLru<string, bool> _done = new(1000);
    private string _last = "";

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
        if (redis is not null) await redis.RunAsync(Add, [redis.Key("news")], [id, self.Id, what]);
        var target = $"{PeerPaths.PurgePath}?id={id}&what={Uri.EscapeDataString(what)}";
        var told = await Task.WhenAll(members.Others.Select(async other =>
            (other.Url, Problem: await peers.TellAsync(other.Url, target, Confirms, cancellationToken))));
        foreach (var (url, problem) in told)
        {
            if (problem is not null) Log.PurgeUnconfirmed(logger, url, what, problem);
        }
        return [.. told.Where(each => each.Problem is not null).Select(each => each.Url.GetLeftPart(UriPartial.Authority))];
    }

    /// <summary>Carries out a purge of another replica, once.</summary>
    /// <param name="id">Of the news.</param>
    public async Task HearAsync(string id, string what, CancellationToken cancellationToken)
    {
        if (_done.TryGet(id, out _)) return;
        await Purge(what, cancellationToken);
        _done.AddOrUpdate(id, true);
        Log.Purged(logger, what);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (redis is null) return;
        try
        {
            while (true)
            {
                await ReadAsync(redis, stoppingToken);
                await Task.Delay(Interval, clock, stoppingToken);
            }
        }
        catch (OperationCanceledException)
        {
            // The gateway ends.
        }
    }

    private async Task ReadAsync(RedisLink link, CancellationToken cancellationToken)
    {
        var reply = await link.RunAsync(Read, [link.Key("news")], [_last]);
        if (!reply.Answered || reply.Texts is not [var state, var last, .. var texts]) return;
        try
        {
            if (state == "lost")
            {
                ReplicaMetrics.NewsLost();
                Log.NewsLost(logger);
                await Forget();
            }
            foreach (var entry in texts.Chunk(3))
            {
                if (entry is [var id, var by, var what] && by != self.Id) await HearAsync(id, what, cancellationToken);
            }
            _last = last;
        }
        catch (Exception e) when (e is IOException or InvalidOperationException)
        {
            // Read again in a second.
            Log.NewsFailed(logger, e.Message);
        }
    }
}
