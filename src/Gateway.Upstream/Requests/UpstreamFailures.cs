using System.Net;

namespace Gateway.Upstream;

/// <summary>
/// Makes the exceptions for failed requests. Their messages are one line that clients can see: hosts and statuses, never a body or a query,
/// which can be signed.
/// </summary>
internal static class UpstreamFailures
{
    // Chosen: the gateway retries after an hour even if Retry-After is longer, because upstreams lift limits early.
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromHours(1);

    // For a 429 without Retry-After. Chosen: the longest time that a breaker is open.
    private static readonly TimeSpan DefaultLimitPause = TimeSpan.FromSeconds(10);

    /// <summary>The exception for a temporary failure: 429, 408, 5xx.</summary>
    /// <param name="emptyFor">The time until a used-up rate limit resets; null if unknown. Used if there is no Retry-After.</param>
    public static UpstreamException OfStatus(string what, HttpResponseMessage response, DateTimeOffset now, TimeSpan? emptyFor = null)
    {
        var wait = RetryAfter(response, now);
        var status = (int)response.StatusCode;
        return response.StatusCode == HttpStatusCode.TooManyRequests
            ? new UpstreamException(UpstreamFailure.RateLimited, what, wait ?? emptyFor ?? DefaultLimitPause, status)
            : new UpstreamException(UpstreamFailure.Unavailable, what, wait, status);
    }

    /// <summary>
    /// The exception for a failed connection: refused, unknown host, TLS, time-out, an address outside the trust boundary.
    /// </summary>
    /// <param name="subject">The subject of the message: upstream and host.</param>
    /// <param name="exception">The exception of the HTTP client.</param>
    /// <param name="isPlain">Whether the address is http.</param>
    public static UpstreamException OfConnection(string subject, Exception exception, bool isPlain = false)
    {
        if (exception is HttpRequestException { InnerException: AddressRefusedException refused })
        {
            return new UpstreamException(UpstreamFailure.Misbehaving, $"{subject} is outside the trust boundary: {refused.Message}");
        }
        var what = exception switch
        {
            HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError } => "could not be resolved",
            HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError, InnerException: var inner } =>
                OfHandshake(inner?.Message ?? ""),
            HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError } => "could not be reached",
            HttpRequestException { HttpRequestError: HttpRequestError.ProxyTunnelError } => "could not be reached through the proxy",
            HttpRequestException e =>
                $"sent no complete answer ({e.HttpRequestError}){(isPlain ? "; if it speaks TLS, write https:// in its url" : "")}",
            OperationCanceledException => "did not answer in time",
            _ => $"sent no complete answer ({exception.GetType().Name})",
        };
        return new UpstreamException(UpstreamFailure.Unavailable, $"{subject} {what}", inner: exception);
    }

    // The runtime's message names what is wrong with the certificate.
    private static string OfHandshake(string said)
    {
        if (!said.Contains("certificate", StringComparison.OrdinalIgnoreCase))
            return "completed no TLS handshake; if the registry has no TLS, write http:// in its url";
        if (said.Contains("NotTimeValid", StringComparison.Ordinal))
            return "has a certificate that has expired or is not valid yet (TLS); renew it, or set the clock of this machine";
        return said.Contains("NameMismatch", StringComparison.Ordinal)
            ? "has a certificate for another name (TLS); write a name of the certificate in url"
            : "has a certificate that this machine does not trust (TLS); name the file of its authority in certificateAuthority";
    }

    private static TimeSpan? RetryAfter(HttpResponseMessage response, DateTimeOffset now)
    {
        // Docker Hub states the end of the pause in Unix time (docker/hub-feedback#2459).
        var said = response.Headers.RetryAfter switch
        {
            { Delta: { } delta } => RateBudget.Until((long)delta.TotalSeconds, now),
            var header => header?.Date - now,
        };
        if (said is not { } wait || wait <= TimeSpan.Zero) return null;
        return wait < LongestRetryAfter ? wait : LongestRetryAfter;
    }
}
