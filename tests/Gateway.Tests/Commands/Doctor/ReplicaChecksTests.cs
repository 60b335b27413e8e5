using Gateway.Commands.Doctor;
using Gateway.Replicas;
using Xunit;

namespace Gateway.Tests.Commands.Doctor;

/// <summary>What the doctor says about Redis' answers; RedisProbeTests asks real servers.</summary>
public sealed class ReplicaChecksTests
{
    [Theory]
    [InlineData(3, 0, "redis")]
    [InlineData(3, 59, "redis")]
    [InlineData(3, 600, "REDIS_CLOCK")]
    [InlineData(3, -600, "REDIS_CLOCK")]
    [InlineData(2000, 0, "REDIS_SLOW")]
    [InlineData(2000, 600, "REDIS_SLOW", "REDIS_CLOCK")]
    public void Slow_answers_and_clocks_that_differ_are_found(int milliseconds, int skew, params string[] codes)
    {
        var probe = new RedisProbe(null) { Time = TimeSpan.FromMilliseconds(milliseconds), ClockSkew = TimeSpan.FromSeconds(skew) };

        var findings = ReplicaChecks.Findings("redis:6379", probe, TimeSpan.FromMilliseconds(200));

        Assert.Equal(codes, findings.Select(each => each.Code));
    }
}
