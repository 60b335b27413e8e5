using System.Collections.Immutable;
using System.Globalization;
using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using Gateway.Configuration;

namespace Gateway.Replicas;

/// <summary>A replica of the set.</summary>
/// <param name="Id">Its process; empty for a configured peer that Redis does not know.</param>
/// <param name="Version">Of the program; empty if unknown.</param>
internal sealed record Member(string Id, Uri Url, string Version);

/// <summary>
/// The replicas of the set: those that beat in Redis, and those of <c>peers</c>. While Redis does not answer, those that it named last
/// count too.
/// </summary>
internal sealed class Members(
    ReplicaOptions options, ReplicaSelf self, PeerSecret secret, TimeProvider clock, ILogger<Members> logger, RedisLink? redis = null)
    : BackgroundService
{
    /// <summary>How long a replica is a member after its last beat. Chosen: as long as a lease.</summary>
    public static readonly TimeSpan Lifetime = LeaseStore.Lifetime;

    private static readonly TimeSpan BeatInterval = LeaseStore.Renewal;

    // Chosen: a dead or slow peer costs the looks of three seconds one refused connection, or one wait for its answer.
    private static readonly TimeSpan AvoidedFor = TimeSpan.FromSeconds(3);

    // Chosen: a damaged disk rarely has one wrong blob alone, and a replica whose upstream sent wrong bytes is needed again soon.
    private static readonly TimeSpan LiarAvoidedFor = TimeSpan.FromMinutes(1);

    // The version of the format of what a replica says about itself. An older replica ignores members of the JSON that it does not know.
    private const string AboutFormat = "1";

    /// <summary>
    /// KEYS: the ends of memberships, the members, what each says about itself. ARGV: id, "url version signature", lifetime in ms, what
    /// this replica says. Returns the time in ms, "id url version signature" of each, an empty text, then id and words of each.
    /// </summary>
    private const string Beat = """
        local t = redis.call('TIME')
        local now = t[1] * 1000 + math.floor(t[2] / 1000)
        redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
        redis.call('HSET', KEYS[2], ARGV[1], ARGV[1] .. ' ' .. ARGV[2])
        redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
        for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
          redis.call('ZREM', KEYS[1], id)
          redis.call('HDEL', KEYS[2], id)
        end
        local all = redis.call('HVALS', KEYS[2])
        table.insert(all, 1, string.format('%.0f', now))
        table.insert(all, '')
        local said = redis.call('HGETALL', KEYS[3])
        for i = 1, #said, 2 do
          if redis.call('HEXISTS', KEYS[2], said[i]) == 0 then redis.call('HDEL', KEYS[3], said[i])
          else table.insert(all, said[i]) table.insert(all, said[i + 1]) end
        end
        return all
        """;

    /// <summary>KEYS as <see cref="Beat"/>. ARGV: id.</summary>
    private const string Leave = """
        redis.call('ZREM', KEYS[1], ARGV[1])
        redis.call('HDEL', KEYS[2], ARGV[1])
        redis.call('HDEL', KEYS[3], ARGV[1])
        return nil
        """;

    private readonly Lock _gate = new();
    private readonly Dictionary<Uri, long> _avoided = [];
    private readonly Dictionary<Uri, long> _slow = [];
    private readonly Dictionary<Uri, long> _answered = [];
    private readonly Dictionary<Uri, (Member Member, long At)> _seen = [];
    private ImmutableArray<Member> _beating = [];
    private ImmutableDictionary<string, ReplicaAbout> _about = ImmutableDictionary<string, ReplicaAbout>.Empty;
    private (TimeSpan Redis, long At)? _time;
    private int _unsigned;
    private bool _isSkewed;

    /// <summary>All other replicas.</summary>
    public ImmutableArray<Member> Others => [.. _beating.Concat(options.Peers.Select(url => new Member("", url, "")))
        .Where(each => each.Url != self.Url).DistinctBy(each => each.Url)];

    /// <summary>
    /// Redis' clock, as far as the last beat tells; null if Redis has not answered for so long that the clocks may have drifted apart.
    /// </summary>
    public TimeSpan? RedisTime => _time is var (redisTime, at) && clock.GetElapsedTime(at) is var since && since < TimeSpan.FromMinutes(1)
        ? redisTime + since
        : null;

    /// <summary>By how much this machine's clock is before that of Redis; null if Redis has not answered for a minute.</summary>
    public TimeSpan? ClockSkew => RedisTime is { } time ? clock.GetUtcNow() - DateTimeOffset.UnixEpoch - time : null;

    /// <summary>What this replica says about itself; set before the gateway starts.</summary>
    public Func<ReplicaAbout> Describe { get; set; } = () => new("none", "");

    /// <summary>What a replica said about itself with its last beat; null if it said nothing, or is of a version that does not.</summary>
    public ReplicaAbout? AboutOf(Uri url) =>
        _beating.FirstOrDefault(each => each.Url == url) is { } member ? _about.GetValueOrDefault(member.Id) : null;

    /// <summary>Whether a replica beats in Redis, and does not refuse connections.</summary>
    public bool IsReachable(Uri url) => IsNotAvoided(url) && (redis is null || _beating.Any(each => each.Url == url));

    /// <summary>
    /// The other replicas in the order in which this digest asks them, without those that could not be reached just now.
    /// </summary>
    public IEnumerable<Uri> OrderFor(Digest digest) => Others.Select(each => each.Url).Where(IsNotAvoided)
        .OrderBy(url => XxHash64.HashToUInt64(Encoding.UTF8.GetBytes($"{digest} {url}")));

    /// <summary>Whether a replica was late some seconds ago, and has not answered since: who has another way does not ask it.</summary>
    public bool IsSlow(Uri url)
    {
        lock (_gate) return _slow.TryGetValue(url, out var until) && clock.GetTimestamp() < until;
    }

    /// <summary>Records how a replica answered when it was asked.</summary>
    /// <param name="asked">The time stamp of the request.</param>
    /// <param name="failed">Whether the connection failed.</param>
    public void Heard(Uri url, long asked, bool answered, bool failed)
    {
        if (failed) Avoid(url);
        lock (_gate)
        {
            if (answered)
            {
                _answered[url] = clock.GetTimestamp();
                _slow.Remove(url);
            }
            // Of many requests at one moment, one that is late does not mean that the replica is slow.
            else if (!failed && _answered.GetValueOrDefault(url) <= asked) _slow[url] = In(AvoidedFor);
        }
    }

    /// <summary>Records that a replica could not be reached; it is not asked for some seconds unless Redis names it.</summary>
    public void Avoid(Uri url) => AvoidFor(url, AvoidedFor);

    /// <summary>Records that a replica sent wrong bytes; it is not asked for a minute unless Redis names it.</summary>
    public void AvoidLiar(Uri url) => AvoidFor(url, LiarAvoidedFor);

    /// <summary>Makes this replica known, and learns of the others. The first time before the gateway takes requests.</summary>
    public async Task BeatAsync()
    {
        if (redis is null) return;
        var mine = $"{self.Url.GetLeftPart(UriPartial.Authority)} {Version}";
        var reply = await redis.RunAsync(
            Beat, [redis.Key("members"), redis.Key("member"), redis.Key("about")],
            [self.Id, $"{mine} {secret.Sign("member", $"{self.Id} {mine}")}", Milliseconds(Lifetime), Said(Describe())],
            evenAtRest: true);
        if (!reply.Answered || reply.Texts is not [var time, .. var rest]
            || !long.TryParse(time, NumberStyles.None, CultureInfo.InvariantCulture, out var now)) return;
        _time = (TimeSpan.FromMilliseconds(now), clock.GetTimestamp());
        if (ClockSkew is { } skew && skew.Duration() > MostSkew != _isSkewed)
        {
            _isSkewed = !_isSkewed;
            if (_isSkewed) Log.ClockSkewed(logger, skew.TotalSeconds);
        }
        var end = Array.IndexOf(rest, "");
        var (texts, said) = end < 0 ? (rest, []) : (rest[..end], rest[(end + 1)..]);
        _about = said.Chunk(2).Where(each => each.Length == 2).Select(each => (Id: each[0], About: Hear(each[0], each[1])))
            .Where(each => each.About is not null).ToImmutableDictionary(each => each.Id, each => each.About!);
        ImmutableArray<Member> named = [.. texts.Select(Parse).OfType<Member>()];
        if (texts.Length - named.Length is var unsigned && unsigned > _unsigned) Log.MembersUnsigned(logger, unsigned);
        _unsigned = unsigned;
        foreach (var member in named.Where(each => each.Id != self.Id).Take(MostMembers))
            _seen[member.Url] = (member, clock.GetTimestamp());
        // A Redis that was flushed knows of a replica only after its next beat; it is not gone meanwhile.
        foreach (var url in _seen.Where(each => clock.GetElapsedTime(each.Value.At) > Lifetime).Select(each => each.Key).ToArray())
            _seen.Remove(url);
        ImmutableArray<Member> all = [.. _seen.Values.Select(each => each.Member)];
        foreach (var member in all.Where(each => !_beating.Contains(each))) Log.Joined(logger, member.Url);
        foreach (var member in _beating.Where(each => !all.Contains(each))) Log.Left(logger, member.Url);
        _beating = all;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (redis is null) return;
        try
        {
            while (true)
            {
                await BeatAsync();
                await Task.Delay(BeatInterval, clock, stoppingToken);
            }
        }
        catch (OperationCanceledException)
        {
            await redis.RunAsync(Leave, [redis.Key("members"), redis.Key("member"), redis.Key("about")], [self.Id]);
        }
    }

    // Chosen: a set is a few machines; a request to all of them at once must stay cheap.
    private const int MostMembers = 64;

    /// <summary>A larger difference of clocks is reported. Chosen: half of what a signature of a request tolerates.</summary>
    public static readonly TimeSpan MostSkew = TimeSpan.FromMinutes(1);

    /// <summary>The version of this program.</summary>
    public static string Version { get; } = typeof(Members).Assembly.GetName().Version?.ToString(3) ?? "0";

    private bool IsNotAvoided(Uri url)
    {
        lock (_gate) return !_avoided.TryGetValue(url, out var until) || clock.GetTimestamp() > until;
    }

    // Not by the time of day, which can be set.
    private long In(TimeSpan time) => clock.GetTimestamp() + (long)(time.TotalSeconds * clock.TimestampFrequency);

    private void AvoidFor(Uri url, TimeSpan time)
    {
        var until = In(time);
        lock (_gate)
        {
            if (!_avoided.TryGetValue(url, out var earlier) || earlier < until) _avoided[url] = until;
        }
    }

    // Null for a member that no replica signed, or with another scheme than this replica's own.
    internal Member? Parse(string text) =>
        text.Split(' ') is [var id, var url, var version, var signature]
        && Uri.TryCreate(url, UriKind.Absolute, out var address) && self.IsOfSameScheme(address)
        && secret.IsSigned("member", $"{id} {url} {version}", signature)
            ? new(id, address, version)
            : null;

    private string Said(ReplicaAbout about)
    {
        var text = JsonSerializer.Serialize(about, AboutJson.Default.ReplicaAbout);
        return $"{AboutFormat} {secret.Sign("about", $"{self.Id}\n{text}")} {text}";
    }

    // Null for words that no replica signed, or of a later version.
    internal ReplicaAbout? Hear(string id, string said)
    {
        if (said.Split(' ', 3) is not [AboutFormat, var signature, var text] || !secret.IsSigned("about", $"{id}\n{text}", signature))
            return null;
        try
        {
            return JsonSerializer.Deserialize(text, AboutJson.Default.ReplicaAbout);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Milliseconds(TimeSpan time) => $"{(long)time.TotalMilliseconds}";
}
