using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;

namespace Scripted;

/// <summary>Docker Hub's pull limit: requests that count, for each user apart, told on every answer about a manifest.</summary>
public sealed class RateLimiter
{
    private readonly ConcurrentDictionary<string, int> _used = new();
    private readonly int _limit;
    private readonly Func<ReceivedRequest, bool> _counts;

    internal RateLimiter(int limit, Func<ReceivedRequest, bool> counts) => (_limit, _counts) = (limit, counts);

    /// <summary>Limits of users (their Authorization header, or whose token it is; empty for nobody) that are not the usual one.</summary>
    public Dictionary<string, int> Limits { get; } = [];

    /// <summary>Seconds of the window, told as <c>w=</c>.</summary>
    public int Window { get; set; } = 21600;

    /// <summary>Seconds told as Retry-After with a 429; null tells none.</summary>
    public int? RetryAfter { get; set; }

    /// <summary>Whether limits are told on answers at all.</summary>
    public bool IsSilent { get; set; }

    /// <summary>Another window begins.</summary>
    public void Renew() => _used.Clear();

    /// <summary>Requests of a user that counted.</summary>
    public int Used(string user) => _used.GetValueOrDefault(user);

    /// <summary>False when it was too much, and has been answered.</summary>
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
