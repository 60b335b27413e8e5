namespace Gateway.Upstream;

/// <summary>
/// The log messages of this project; event ids 4000 to 4999. They contain hosts and statuses, never a query, a header or a body.
/// </summary>
internal static partial class Log
{
    [LoggerMessage(
        4000, LogLevel.Warning,
        "Upstream {Upstream}: token server {Realm} refused by the trust boundary; if it is the right one, add it to `realms`")]
    public static partial void RealmRefused(ILogger logger, string upstream, string realm);

    [LoggerMessage(
        4001, LogLevel.Warning,
        "Upstream {Upstream}: token server {Realm} is not in `realms`; requesting tokens from it without credentials")]
    public static partial void RealmNotTrusted(ILogger logger, string upstream, string realm);

    [LoggerMessage(4002, LogLevel.Warning, "Upstream {Upstream}: breaker of {Endpoint} open for {Seconds:0.0} s: {Why}")]
    public static partial void EndpointExcluded(ILogger logger, string upstream, string endpoint, double seconds, string why);

    [LoggerMessage(4003, LogLevel.Information, "Upstream {Upstream}: request failed ({Failure}): {Message}")]
    public static partial void EndpointFailed(ILogger logger, string upstream, UpstreamFailure failure, string message);

    [LoggerMessage(
        4004, LogLevel.Warning,
        "Upstream {Upstream}: rate limit at {Remaining} of {Limit} requests; revalidating tags less often")]
    public static partial void BudgetIsLow(ILogger logger, string upstream, long remaining, long limit);

    [LoggerMessage(
        4005, LogLevel.Warning,
        "Upstream {Upstream}: rate limit at {Remaining} of {Limit} requests; not revalidating tags, fetching only missing content")]
    public static partial void OnlyReserveRemains(ILogger logger, string upstream, long remaining, long limit);

    [LoggerMessage(4006, LogLevel.Information, "Upstream {Upstream}: rate limit recovered; revalidating tags as configured")]
    public static partial void BudgetRecovered(ILogger logger, string upstream);
}
