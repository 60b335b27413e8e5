using Microsoft.Extensions.Logging;

namespace Gateway.Upstream;

/// <summary>What this folder logs; event ids 400 to 499. Hosts and statuses, never a query, a header or a body.</summary>
internal static partial class Log
{
    [LoggerMessage(4000, LogLevel.Warning, "Upstream {Upstream}: token server {Realm} was not asked; if right, list it in `realms`")]
    public static partial void RealmRefused(ILogger logger, string upstream, string realm);

    [LoggerMessage(4001, LogLevel.Warning, "Upstream {Upstream}: token server {Realm} is not in `realms`: asked without credentials")]
    public static partial void RealmNotTrusted(ILogger logger, string upstream, string realm);

    [LoggerMessage(4002, LogLevel.Warning, "Upstream {Upstream}: {Endpoint} is left alone for {Seconds:0.0} s: {Why}")]
    public static partial void EndpointExcluded(ILogger logger, string upstream, string endpoint, double seconds, string why);

    [LoggerMessage(4003, LogLevel.Information, "Upstream {Upstream}: {Failure}: {Message}")]
    public static partial void EndpointFailed(ILogger logger, string upstream, UpstreamFailure failure, string message);

    [LoggerMessage(
        4004, LogLevel.Warning, "Upstream {Upstream}: its rate limit leaves {Remaining} of {Limit}: tags are asked for less often")]
    public static partial void LimitRunsLow(ILogger logger, string upstream, long remaining, long limit);

    [LoggerMessage(
        4005, LogLevel.Warning,
        "Upstream {Upstream}: its rate limit leaves {Remaining} of {Limit}: tags are not asked for again, the rest is for what is missing")]
    public static partial void ReserveLeft(ILogger logger, string upstream, long remaining, long limit);

    [LoggerMessage(4006, LogLevel.Information, "Upstream {Upstream}: enough is left of its rate limit again")]
    public static partial void LimitEased(ILogger logger, string upstream);
}
