using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>Translates failures of an upstream to results for callers.</summary>
internal static class UpstreamAnswers
{
    /// <summary>
    /// Used if an upstream sends no Retry-After. The client's next attempt should find the breaker half open (it stays open for at most 10
    /// s).
    /// </summary>
    private static readonly TimeSpan UsualRetry = TimeSpan.FromSeconds(5);

    // A Retry-After of hours is a mistake, or a ban that ends with a new address or password.
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(15);

    /// <summary>How long the gateway does not repeat a failed request to an upstream.</summary>
    public static TimeSpan PauseAfter(UpstreamException e) =>
        e.RetryAfter is not { } after ? UsualRetry : after < LongestPause ? after : LongestPause;

    /// <summary>
    /// A refusal of the upstream is a 404 for the client. Registries also answer 401 and 403 for content that does not exist (Docker Hub),
    /// and these statuses would make clients look for credentials that the gateway does not pass on. The warning names the upstream's
    /// status.
    /// </summary>
    /// <param name="why">Why the account itself was refused; null if the refusal may be about the content.</param>
    public static CacheHandling Refused(UpstreamRepository source, int? status, string? why = null) => new()
    {
        Upstream = source.Key,
        Forward = ForwardReason.Absent,
        UpstreamStatus = status,
        Notice = why ?? (status is 401 or 403
            ? $"upstream {source.Key} answered {status} for {source.Name}: the repository does not exist there, or needs other credentials"
            : null),
    };

    public static Result<T> Failed<T>(UpstreamRepository source, UpstreamException e) => e.Failure == UpstreamFailure.Unauthorized
        ? new Result<T>.Absent(Refused(source, e.Status, e.IsOfAccount ? e.Message : null))
        : new Result<T>.Unavailable(
            e.RetryAfter ?? UsualRetry, e.Message, Missed(source, e.Status) with { IsFinal = e.IsFinal });

    public static Result<T> Failed<T>(UpstreamRepository source, FetchException e) => e.Failure == FetchFailure.Absent
        ? new Result<T>.Absent(Refused(source, e.Status ?? 404))
        : new Result<T>.Unavailable(e.RetryAfter ?? UsualRetry, e.Message, Missed(source, e.Status) with { IsFinal = e.IsFinal });

    private static CacheHandling Missed(UpstreamRepository source, int? status) =>
        new() { Upstream = source.Key, Forward = ForwardReason.Absent, UpstreamStatus = status };
}
