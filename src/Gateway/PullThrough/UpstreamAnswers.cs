using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>What the failures of an upstream mean to those who ask us.</summary>
internal static class UpstreamAnswers
{
    /// <summary>
    /// When an upstream does not say: a client's next try shall find the breaker half open (it stays open for at most 10 s).
    /// </summary>
    private static readonly TimeSpan UsualRetry = TimeSpan.FromSeconds(5);

    // A Retry-After of hours is a mistake, or a ban that ends with a new address or password.
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(15);

    /// <summary>For how long an upstream that failed is not asked the same again.</summary>
    public static TimeSpan PauseAfter(UpstreamException e) =>
        e.RetryAfter is not { } after ? UsualRetry : after < LongestPause ? after : LongestPause;

    /// <summary>
    /// An upstream that refuses has nothing for us: 404, for 401 and 403 are also what registries answer for what does not exist (Docker
    /// Hub), and would send clients looking for credentials that we do not pass on. The warning says what came.
    /// </summary>
    public static CacheHandling Refused(UpstreamRepository source, int? status) => new()
    {
        Upstream = source.Key,
        Forward = ForwardReason.Absent,
        UpstreamStatus = status,
        Notice = status is 401 or 403
            ? $"upstream {source.Key} answered {status} for {source.Name}: it does not exist there, or needs other credentials"
            : null,
    };

    public static Result<T> Failed<T>(UpstreamRepository source, UpstreamException e) => e.Failure == UpstreamFailure.Unauthorized
        ? new Result<T>.Absent(Refused(source, e.Status))
        : new Result<T>.Unavailable(
            e.RetryAfter ?? UsualRetry, e.Message, Missed(source, e.Status) with { IsFinal = e.IsFinal });

    public static Result<T> Failed<T>(UpstreamRepository source, FetchException e) => e.Failure == FetchFailure.Absent
        ? new Result<T>.Absent(Refused(source, e.Status ?? 404))
        : new Result<T>.Unavailable(e.RetryAfter ?? UsualRetry, e.Message, Missed(source, e.Status) with { IsFinal = e.IsFinal });

    private static CacheHandling Missed(UpstreamRepository source, int? status) =>
        new() { Upstream = source.Key, Forward = ForwardReason.Absent, UpstreamStatus = status };
}
