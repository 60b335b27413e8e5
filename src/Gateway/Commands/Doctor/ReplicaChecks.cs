using Gateway.Configuration;
using Gateway.Replicas;

namespace Gateway.Commands.Doctor;

/// <summary>What replicas share: Redis, which is asked for real.</summary>
internal static class ReplicaChecks
{
    public static async Task<IReadOnlyList<Finding>> RunAsync(GatewayOptions options)
    {
        if (options.Replicas?.Redis is not { } redis) return [];
        var about = string.Join(", ", redis.Addresses);
        return await RedisLink.ProbeAsync(redis) is { } problem
            ?
            [
                Finding.Warning(
                    "REDIS_UNREACHABLE", about, $"expected an answer of replicas.redis, got: {problem}",
                    "start Redis, or correct replicas.redis; until then each replica works alone"),
            ]
            : [Finding.Ok("redis", about, "a value was written, compared and read")];
    }
}
