using Gateway.Configuration;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>How long the gateway trusts an upstream's answer.</summary>
internal static class Freshness
{
    /// <summary>A 404 from an upstream is cached for <c>revalidateAfter</c>, but no longer than 30 s (docs/pull-through.md).</summary>
    public static TimeSpan OfAbsence(UpstreamOptions options)
    {
        var after = options.Tags.RevalidateAfter;
        return after != Timeout.InfiniteTimeSpan && after < LongestAbsence ? after : LongestAbsence;
    }

    private static readonly TimeSpan LongestAbsence = TimeSpan.FromSeconds(30);
}
