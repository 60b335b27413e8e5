using Gateway.Configuration;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>How long an upstream's word holds.</summary>
internal static class Freshness
{
    /// <summary>What an upstream lacked is asked again after <c>revalidateAfter</c>, at most 30 s (docs/pull-through.md).</summary>
    public static TimeSpan OfAbsence(UpstreamOptions options)
    {
        var after = options.Tags.RevalidateAfter;
        return after != Timeout.InfiniteTimeSpan && after < LongestAbsence ? after : LongestAbsence;
    }

    private static readonly TimeSpan LongestAbsence = TimeSpan.FromSeconds(30);
}
