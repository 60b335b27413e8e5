namespace Gateway.Upstream;

/// <summary>The kinds of failed requests to an upstream.</summary>
public enum UpstreamFailure
{
    /// <summary>The connection was refused or timed out, TLS failed, the status was 5xx, or the breaker is open.</summary>
    Unavailable,

    /// <summary>The upstream answered 429 to this request or to an earlier one.</summary>
    RateLimited,

    /// <summary>The upstream answered 401 or 403 with the configured credentials; for a write, only 401.</summary>
    Unauthorized,

    /// <summary>The answer is not one that a registry sends: a redirect that the trust boundary forbids, a web page.</summary>
    Misbehaving,

    /// <summary>
    /// The upstream refused a write: 400, 403, 404, 405, 409, 413, 415 and others. A repetition would be refused again.
    /// <see cref="UpstreamException.Error"/> has the upstream's error, if it sent one.
    /// </summary>
    Refused,
}

/// <summary>A request was not sent because the rate budget is too low, according to <see cref="UpstreamRequest.IsHeldAt"/>.</summary>
public sealed class UpstreamHeldException(RateLimit budget)
    : Exception($"request not sent: {budget.Remaining} of {budget.Limit} requests remain in the upstream's rate limit")
{
    /// <summary>The rate budget when the request was about to be sent.</summary>
    public RateLimit Budget { get; } = budget;
}

/// <summary>
/// A request to an upstream failed. The message is one line that clients can see: it names the upstream and contains no secret.
/// </summary>
/// <param name="retryAfter">The time until a retry makes sense; null if unknown.</param>
/// <param name="status">The HTTP status; null if there was no response.</param>
/// <param name="inner">The cause; null if there is none.</param>
public sealed class UpstreamException(
    UpstreamFailure failure, string message, TimeSpan? retryAfter = null, int? status = null, Exception? inner = null)
    : Exception(message, inner)
{
    /// <summary>The kind of failure.</summary>
    public UpstreamFailure Failure { get; } = failure;

    /// <summary>The time until a retry makes sense; null if unknown.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;

    /// <summary>The HTTP status; null if there was no response.</summary>
    public int? Status { get; } = status;

    /// <summary>Whether a token server failed, not the endpoint itself.</summary>
    internal bool IsOfTokenServer { get; init; }

    /// <summary>
    /// For <see cref="UpstreamFailure.Unauthorized"/>: whether the upstream refused the account itself, which implies nothing about the
    /// requested content.
    /// </summary>
    public bool IsOfAccount { get; init; }

    /// <summary>
    /// For <see cref="UpstreamFailure.Unauthorized"/>: whether the upstream requires a user name and password (Basic, RFC 7617), and the
    /// account has none.
    /// </summary>
    internal bool IsOfLogin { get; init; }

    /// <summary>Whether a retry would fail the same way, because the endpoint does not behave as a registry.</summary>
    public bool IsFinal => Failure == UpstreamFailure.Misbehaving && !IsOfTokenServer;

    /// <summary>
    /// Whether the failure concerns this request only: the endpoint refused it or sent an unusable answer, but another request for the same
    /// content can work.
    /// </summary>
    public bool IsOfRequest =>
        Failure is UpstreamFailure.Unauthorized or UpstreamFailure.Misbehaving && !IsOfAccount && !IsOfTokenServer;

    /// <summary>
    /// Whether a GET can work after a HEAD for the same content failed in this way. False if the upstream requires a login and the account
    /// has none.
    /// </summary>
    public bool IsOfHead => IsOfRequest && !IsOfLogin;

    /// <summary>For <see cref="UpstreamFailure.Refused"/>: the upstream's error, also part of the message; null if it sent none.</summary>
    public UpstreamError? Error { get; init; }
}
