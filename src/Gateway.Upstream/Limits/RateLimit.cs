namespace Gateway.Upstream;

/// <summary>The rate budget of an upstream: what remains of its rate limit, over all accounts.</summary>
/// <param name="Limit">The requests that one window allows; more than 0.</param>
/// <param name="Remaining">The remaining requests, without those in flight; 0 to <paramref name="Limit"/>.</param>
public readonly record struct RateLimit(long Limit, long Remaining)
{
    // Chosen: the gateway uses the first half of a window's requests as if there were no limit.
    private const double Ample = 0.5;

    // Chosen: 20 of Docker Hub's 100 requests in six hours, for images that are not cached.
    private const double Reserve = 0.2;

    // Chosen: with a larger factor the window ends before the next revalidation.
    private const double LongestStretch = 1000;

    /// <summary>The remaining share of the limit, 0 to 1.</summary>
    internal double Share => (double)Remaining / Limit;

    /// <summary>
    /// The factor by which <c>revalidateAfter</c> is extended: 1 while at least half of the limit remains, then 0.3 / (share − 0.2), which
    /// grows continuously. Null if only the reserve remains: the gateway then does not revalidate tags, and fetches only missing content.
    /// </summary>
    public double? Stretch => Share switch
    {
        >= Ample => 1,
        <= Reserve => null,
        var share => Math.Min((Ample - Reserve) / (share - Reserve), LongestStretch),
    };
}
