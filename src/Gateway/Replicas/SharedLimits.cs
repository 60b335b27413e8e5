using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Upstream;

namespace Gateway.Replicas;

/// <summary>
/// What the replicas know of upstreams' rate limits and failures, in Redis: one hash for each upstream, and in it one value for each
/// replica, with Redis' time and a signature by the secret of the set. As text: <c>1 time signature JSON</c>. A value of another version
/// is ignored. Without Redis, each replica has its share of the budget.
/// </summary>
internal sealed class SharedLimits(Members members, ReplicaSelf self, PeerSecret secret, RedisLink? redis = null) : ISharedLimits
{
    // Rises when an older replica could not read the value. Members that it does not know are ignored.
    private const string Format = "1";

    // Chosen: the window of Docker Hub's limit. What a replica knew before is of no use to the others.
    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(6);

    // Clocks of Redis before and after a failover; a value from further in the future is not used.
    private static readonly TimeSpan MostSkew = TimeSpan.FromSeconds(2);

    /// <summary>
    /// KEYS: the upstream. ARGV: the replica's id, its value, the lifetime in ms. Returns the time in ms, then id and value of each one.
    /// </summary>
    private const string Exchange = """
        local t = redis.call('TIME')
        local now = t[1] * 1000 + math.floor(t[2] / 1000)
        redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
        redis.call('PEXPIRE', KEYS[1], ARGV[3])
        local reply = {string.format('%.0f', now)}
        local all = redis.call('HGETALL', KEYS[1])
        for i = 1, #all, 2 do
          local at = tonumber(string.match(all[i + 1], '^%S+ (%d+) '))
          if not at or at < now - ARGV[3] then redis.call('HDEL', KEYS[1], all[i])
          else table.insert(reply, all[i]) table.insert(reply, all[i + 1]) end
        end
        return reply
        """;

    private readonly ConcurrentDictionary<string, IReadOnlyList<UpstreamLimits>> _told = new();

    public int Replicas => members.Others.Length + 1;

    /// <summary>What the other replicas told last about an upstream with these addresses.</summary>
    public IReadOnlyList<UpstreamLimits> ToldOf(RegistryOptions upstream) => _told.GetValueOrDefault(NameOf(upstream), []);

    public async Task<IReadOnlyList<UpstreamLimits>?> ExchangeAsync(RegistryOptions upstream, UpstreamLimits mine)
    {
        if (redis is null || members.RedisTime is not { } time) return null;
        var (name, at) = (NameOf(upstream), (long)time.TotalMilliseconds);
        var text = JsonSerializer.Serialize(mine, LimitsJson.Default.UpstreamLimits);
        var value = string.Create(CultureInfo.InvariantCulture, $"{Format} {at} {Sign(name, self.Id, at, text)} {text}");
        var reply = await redis.RunAsync(Exchange, [KeyOf(name)], [self.Id, value, $"{(long)Lifetime.TotalMilliseconds}"]);
        if (!reply.Answered || reply.Texts is not [var asked, .. var entries]
            || !long.TryParse(asked, NumberStyles.None, CultureInfo.InvariantCulture, out var now)) return null;
        return _told[name] = [.. entries.Chunk(2).Where(each => each.Length == 2 && each[0] != self.Id)
            .Select(each => Read(name, each[0], each[1], now)).OfType<UpstreamLimits>()];
    }

    /// <summary>Reads another replica's value; null for one that no replica signed, or of another version.</summary>
    internal UpstreamLimits? Read(string name, string id, string value, long now)
    {
        if (value.Split(' ', 4) is not [Format, var time, var signature, var text]
            || !long.TryParse(time, NumberStyles.None, CultureInfo.InvariantCulture, out var at)
            || !secret.IsSigned("limits", Signed(name, id, at, text), signature)) return null;
        var age = TimeSpan.FromMilliseconds(now - at);
        if (age < -MostSkew || age > Lifetime) return null;
        try
        {
            return JsonSerializer.Deserialize(text, LimitsJson.Default.UpstreamLimits) is { Accounts: not null, Open: not null } limits
                ? limits with { Age = age < TimeSpan.Zero ? TimeSpan.Zero : age }
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // The addresses of the upstream, and not its key here: keys may differ between replicas.
    private static string NameOf(RegistryOptions upstream) => string.Join(' ', upstream.Urls);

    private string KeyOf(string name) => redis!.Key($"limits:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))}");

    private string Sign(string name, string id, long at, string text) => secret.Sign("limits", Signed(name, id, at, text));

    private static string Signed(string name, string id, long at, string text) =>
        string.Create(CultureInfo.InvariantCulture, $"{name}\n{id}\n{at}\n{text}");
}

[JsonSerializable(typeof(UpstreamLimits))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true)]
internal sealed partial class LimitsJson : JsonSerializerContext;
