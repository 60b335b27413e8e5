namespace Gateway.Upstream;

/// <summary>What an upstream's rate limit leaves us, by all accounts together.</summary>
/// <param name="Limit">Requests of one window; more than 0.</param>
/// <param name="Remaining">What is left of it, requests under way taken off; 0 to <paramref name="Limit"/>.</param>
public readonly record struct RateLimit(long Limit, long Remaining)
{
    // Chosen: half of a window's requests are spent as if there were no limit.
    private const double Ample = 0.5;

    // Chosen: of Docker Hub's 100 in six hours, 20 images that were never pulled before.
    private const double Reserve = 0.2;

    // Beyond, the reserve is near and the window over before a tag is asked for again.
    private const double LongestStretch = 1000;

    /// <summary>0 to 1.</summary>
    public double Share => (double)Remaining / Limit;

    /// <summary>
    /// By how much longer than <c>revalidateAfter</c> a tag is served without asking: 1 while half of the limit is left, then
    /// 0.3 / (share − 0.2), which grows without a step; null when only the reserve is left, which is for content that is not here.
    /// </summary>
    public double? Stretch => Share switch
    {
        >= Ample => 1,
        <= Reserve => null,
        var share => Math.Min((Ample - Reserve) / (share - Reserve), LongestStretch),
    };
}
