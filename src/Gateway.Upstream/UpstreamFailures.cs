using System.Net;

namespace Gateway.Upstream;

/// <summary>What went wrong, in one line fit for a client: hosts and statuses, never a query (it may be signed) or a body.</summary>
internal static class UpstreamFailures
{
    // Chosen: asked again after an hour however long Retry-After is, for limits are lifted early.
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromHours(1);

    // 429 without Retry-After: as long as a breaker stays open at most.
    private static readonly TimeSpan DefaultLimitPause = TimeSpan.FromSeconds(10);

    /// <summary>For a status that means "not now": 429, 408, 5xx.</summary>
    /// <param name="emptyFor">How long a rate limit that is used up lasts, where that is known otherwise.</param>
    public static UpstreamException OfStatus(string what, HttpResponseMessage response, DateTimeOffset now, TimeSpan? emptyFor = null)
    {
        var wait = RetryAfter(response, now);
        var status = (int)response.StatusCode;
        return response.StatusCode == HttpStatusCode.TooManyRequests
            ? new UpstreamException(UpstreamFailure.RateLimited, what, wait ?? emptyFor ?? DefaultLimitPause, status)
            : new UpstreamException(UpstreamFailure.Unavailable, what, wait, status);
    }

    /// <summary>For an exception of the client: refused, no such host, TLS, time-out, an address that must not be dialled.</summary>
    public static UpstreamException OfConnection(string who, Exception exception)
    {
        if (exception is HttpRequestException { InnerException: AddressRefusedException refused })
        {
            return new UpstreamException(UpstreamFailure.Misbehaving, $"{who} was not dialled: {refused.Message}");
        }
        var what = exception switch
        {
            HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError } => "has no address",
            HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } => "could not be trusted (TLS)",
            HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError } => "could not be reached",
            HttpRequestException { HttpRequestError: HttpRequestError.ProxyTunnelError } => "could not be reached by the proxy",
            HttpRequestException e => $"broke off ({e.HttpRequestError})",
            OperationCanceledException => "did not answer in time",
            _ => $"broke off ({exception.GetType().Name})",
        };
        return new UpstreamException(UpstreamFailure.Unavailable, $"{who} {what}", inner: exception);
    }

    private static TimeSpan? RetryAfter(HttpResponseMessage response, DateTimeOffset now)
    {
        var said = response.Headers.RetryAfter is { } header ? header.Delta ?? header.Date - now : null;
        if (said is not { } wait || wait <= TimeSpan.Zero) return null;
        return wait < LongestRetryAfter ? wait : LongestRetryAfter;
    }
}
