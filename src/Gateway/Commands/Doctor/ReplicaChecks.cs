using System.Globalization;
using Gateway.Configuration;
using Gateway.Replicas;

namespace Gateway.Commands.Doctor;

/// <summary>What replicas share: Redis, which is asked for real.</summary>
internal static class ReplicaChecks
{
    public static async Task<IReadOnlyList<Finding>> RunAsync(GatewayOptions options)
    {
        return options.Replicas is { Redis: { } redis } replicas
            ? Findings(string.Join(", ", redis.Addresses), await RedisLink.ProbeAsync(redis, TimeProvider.System), replicas.Timeout)
            : [];
    }

    /// <summary>What the answers of Redis mean.</summary>
    /// <param name="about">Its addresses.</param>
    /// <param name="timeout">How long replicas wait for it.</param>
    internal static IReadOnlyList<Finding> Findings(string about, RedisProbe probe, TimeSpan timeout)
    {
        if (probe.Problem is { } problem)
        {
            return
            [
                Finding.Warning(
                    "REDIS_UNREACHABLE", about, $"expected an answer of replicas.redis, got: {problem}",
                    "start Redis, or correct replicas.redis; until then each replica works alone"),
            ];
        }
        var findings = new List<Finding>();
        if (probe.IsSlow(timeout))
        {
            findings.Add(Finding.Warning(
                "REDIS_SLOW", about,
                $"expected an answer within {Milliseconds(timeout)} (replicas.timeout), got one after {Milliseconds(probe.Time)}",
                "use a Redis that is nearer, or raise replicas.timeout; until then each replica works alone"));
        }
        if (probe.IsSkewed)
        {
            findings.Add(Finding.Warning(
                "REDIS_CLOCK", about,
                string.Create(
                    CultureInfo.InvariantCulture, $"expected the clock of Redis, got a difference of {probe.ClockSkew.TotalSeconds:0} s"),
                "keep the clocks of all machines in step (NTP); without Redis, replicas refuse each other beyond 2 minutes"));
        }
        return findings.Count > 0
            ? findings
            :
            [
                Finding.Ok(
                    "redis", about,
                    $"a value was written and read in {Milliseconds(probe.Time)}, and the clocks agree"
                    + (probe.Version.Length > 0 ? $" (version {probe.Version})" : "")),
            ];
    }

    private static string Milliseconds(TimeSpan time) => $"{time.TotalMilliseconds.ToString("0.#", CultureInfo.InvariantCulture)} ms";
}
