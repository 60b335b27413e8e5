using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;

namespace Scripted;

/// <summary>Docker Hub's pull limit: counts requests of each user, and reports the limit in every answer about a manifest.</summary>
public sealed class RateLimiter
{
    private readonly ConcurrentDictionary<string, int> _used = new();
    private readonly int _limit;
    private readonly Func<ReceivedRequest, bool> _counts;

    internal RateLimiter(int limit, Func<ReceivedRequest, bool> counts) => (_limit, _counts) = (limit, counts);

    /// <summary>
    /// Limits of users that differ from the default. The key is the user's Authorization header, or the user of the token; empty for
    /// anonymous.
    /// </summary>
    public Dictionary<string, int> Limits { get; } = [];

    /// <summary>Seconds of the window, sent as <c>w=</c>.</summary>
    public int Window { get; set; } = 21600;

    /// <summary>Seconds sent as Retry-After with a 429; null sends none.</summary>
    public int? RetryAfter { get; set; }

    /// <summary>Whether answers report limits at all.</summary>
    public bool IsSilent { get; set; }

    /// <summary>Starts a new window.</summary>
    public void Renew() => _used.Clear();

    /// <summary>The number of requests of a user that counted.</summary>
    public int Used(string user) => _used.GetValueOrDefault(user);

    /// <summary>False when the limit was exceeded; the request is answered then.</summary>
    internal bool Take(HttpContext context, ReceivedRequest received, string user)
    {
        var limit = Limits.GetValueOrDefault(user, _limit);
        var used = _counts(received) ? _used.AddOrUpdate(user, 1, (_, n) => n + 1) : Used(user);
        var headers = context.Response.Headers;
        if (!IsSilent)
        {
            headers["ratelimit-limit"] = $"{limit};w={Window}";
            headers["ratelimit-remaining"] = $"{Math.Max(0, limit - used)};w={Window}";
        }
        if (used <= limit) return true;
        context.Response.StatusCode = StatusCodes.Status429TooManyRequests;
        if (RetryAfter is { } seconds) headers.RetryAfter = $"{seconds}";
        return false;
    }
}
