namespace Gateway.Upstream;

/// <summary>Why an upstream could not answer.</summary>
public enum UpstreamFailure
{
    /// <summary>Refused connection, time-out, TLS, 5xx, an open breaker.</summary>
    Unavailable,

    /// <summary>429, or a budget of ours is spent.</summary>
    RateLimited,

    /// <summary>401 or 403 with the credentials we have; to a write 401 alone.</summary>
    Unauthorized,

    /// <summary>It answered what no registry should: a redirect that the trust boundary forbids, a web page.</summary>
    Misbehaving,

    /// <summary>
    /// It did not take what was sent: 400, 403, 404, 405, 409, 413, 415 … to a write. Sent again it would be refused again;
    /// <see cref="UpstreamException.Error"/> has its words, where it said any.
    /// </summary>
    Refused,
}

/// <summary>A request was not sent, as <see cref="UpstreamRequest.IsHeldAt"/> would have it.</summary>
public sealed class UpstreamHeldException(RateLimit left) : Exception($"not sent: the rate limit leaves {left.Remaining} of {left.Limit}")
{
    /// <summary>What was left when it was its turn.</summary>
    public RateLimit Left { get; } = left;
}

/// <summary>An upstream could not answer. The message is one line fit for a client: it names the upstream and never a secret.</summary>
public sealed class UpstreamException(
    UpstreamFailure failure, string message, TimeSpan? retryAfter = null, int? status = null, Exception? inner = null)
    : Exception(message, inner)
{
    public UpstreamFailure Failure { get; } = failure;

    public TimeSpan? RetryAfter { get; } = retryAfter;

    public int? Status { get; } = status;

    /// <summary>Whether a token server failed: the endpoint itself was not asked, or wants only a token.</summary>
    public bool IsOfTokenServer { get; init; }

    /// <summary>
    /// For <see cref="UpstreamFailure.Unauthorized"/>: the upstream refused the account itself, and so said nothing about what was asked
    /// for.
    /// </summary>
    public bool IsOfAccount { get; init; }

    /// <summary>
    /// For <see cref="UpstreamFailure.Unauthorized"/>: the upstream asked for a user name and password (Basic, RFC 7617), and the account
    /// has none.
    /// </summary>
    public bool IsOfLogin { get; init; }

    /// <summary>Whether asking again soon would bring the same: the endpoint answered what no registry should.</summary>
    public bool IsFinal => Failure == UpstreamFailure.Misbehaving && !IsOfTokenServer;

    /// <summary>
    /// Whether the endpoint refused this request, or answered it in a way that cannot be used, where another request for the same content
    /// may work.
    /// </summary>
    public bool IsOfRequest =>
        Failure is UpstreamFailure.Unauthorized or UpstreamFailure.Misbehaving && !IsOfAccount && !IsOfTokenServer;

    /// <summary>
    /// Whether a GET may work where a HEAD for the same content failed so: not where the upstream wants a login that the account does not
    /// have.
    /// </summary>
    public bool IsOfHead => IsOfRequest && !IsOfLogin;

    /// <summary>For <see cref="UpstreamFailure.Refused"/>: the upstream's own words, also part of the message.</summary>
    public UpstreamError? Error { get; init; }
}
