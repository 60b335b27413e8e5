using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Gateway.PullThrough;

namespace Gateway.Replicas;

/// <summary>
/// What upstreams said about tags, in Redis: the digest, Redis' time, and a signature by the secret of the set, so that writing to Redis
/// alone moves no tag. Ages are differences of Redis' time, so small differences between the replicas' clocks do not matter.
/// </summary>
internal sealed class SharedTags(RedisLink redis, Members members, PeerSecret secret, TimeProvider clock) : ISharedTags
{
    // What a removed tag has instead of a digest.
    private const string Removed = "-";

    // Clocks of Redis before and after a failover; an answer from further in the future is not used.
    private static readonly TimeSpan MostSkew = TimeSpan.FromSeconds(2);

    // Chosen: clocks of machines that use NTP differ by far less. A Redis whose clock was set back cannot make an old answer young.
    private static readonly TimeSpan MostDrift = TimeSpan.FromMinutes(1);

    /// <summary>KEYS: tag. Returns the time in ms and what is there.</summary>
    private const string Find = """
        local t = redis.call('TIME')
        return {string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)), redis.call('GET', KEYS[1]) or ''}
        """;

    /// <summary>KEYS: tag. ARGV: the value, its lifetime in ms, its time in ms. A later value stays.</summary>
    private const string Store = """
        local v = redis.call('GET', KEYS[1])
        local at = v and tonumber(string.match(v, '^%S+ (%d+) '))
        if not at or at <= tonumber(ARGV[3]) then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
        return nil
        """;

    private long _notBefore;

    public TimeSpan? Now => members.RedisTime;

    public async ValueTask<SharedTag?> FindAsync(UpstreamRepository source, TagName tag, TimeSpan maxAge)
    {
        if (maxAge <= TimeSpan.Zero) return null;
        var name = NameOf(source, tag);
        var reply = await redis.RunAsync(Find, [KeyOf(name)], []);
        if (reply.Texts is not [var now, var text] || text.Split(' ') is not [var hex, var at, var signature]) return null;
        if (!long.TryParse(now, NumberStyles.None, CultureInfo.InvariantCulture, out var nowMs)
            || !long.TryParse(at, NumberStyles.None, CultureInfo.InvariantCulture, out var atMs)
            || atMs <= Volatile.Read(ref _notBefore) || !Digest.TryParse(hex, out var digest)
            || !secret.IsSigned("tag", Signed(name, hex, atMs), signature)) return null;
        var age = TimeSpan.FromMilliseconds(nowMs - atMs);
        if (age < -MostSkew || age >= Shorter(maxAge)) return null;
        if (clock.GetUtcNow().ToUnixTimeMilliseconds() - atMs > (Shorter(maxAge) + MostDrift).TotalMilliseconds) return null;
        ReplicaMetrics.SharedTag();
        return new(digest, age < TimeSpan.Zero ? TimeSpan.Zero : age);
    }

    public void Said(UpstreamRepository source, TagName tag, Digest digest, TimeSpan at, TimeSpan maxAge)
    {
        if (maxAge <= TimeSpan.Zero) return;
        var (name, time) = (NameOf(source, tag), (long)at.TotalMilliseconds);
        var (what, lifetime) = (digest.IsEmpty ? Removed : digest.ToString(), Shorter(maxAge));
        var value = string.Create(CultureInfo.InvariantCulture, $"{what} {time} {secret.Sign("tag", Signed(name, what, time))}");
        _ = redis.RunAsync(Store, [KeyOf(name)], [value, $"{(long)lifetime.TotalMilliseconds}", $"{time}"]);
    }

    public void Forget()
    {
        // Without Redis' time, nothing can be read from it either.
        if (members.RedisTime is { } now) Volatile.Write(ref _notBefore, (long)now.TotalMilliseconds);
    }

    // The addresses of the upstream, and not its key here: keys may differ between replicas.
    private static string NameOf(UpstreamRepository source, TagName tag) => $"{string.Join(' ', source.Options.Urls)}\n{source.Name}:{tag}";

    private string KeyOf(string name) => redis.Key($"tag:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))}");

    private static TimeSpan Shorter(TimeSpan maxAge) => maxAge < ISharedTags.LongestAge ? maxAge : ISharedTags.LongestAge;

    private static string Signed(string name, string digest, long at) =>
        string.Create(CultureInfo.InvariantCulture, $"{name}\n{digest}\n{at}");
}
