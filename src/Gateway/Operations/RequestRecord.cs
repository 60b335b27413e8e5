using System.Diagnostics;

namespace Gateway.Operations;

/// <summary>
/// The facts about one request at its end: the line of the access log and the labels of its metrics. Contains no query and no credentials.
/// </summary>
internal sealed class RequestRecord(DateTimeOffset time, string method)
{
    private readonly long _started = Stopwatch.GetTimestamp();

    public DateTimeOffset Time { get; } = time;

    public string Method { get; } = method;

    public string? RequestId { get; init; }

    public string? TraceId { get; init; }

    public string? Remote { get; init; }

    public string? UserAgent { get; init; }

    public bool Tls { get; init; }

    /// <summary>The route's label; a request with an unreadable target is <c>invalid</c>.</summary>
    public string Route { get; set; } = "invalid";

    public string? Actor { get; set; }

    public string? Repository { get; set; }

    public string? Reference { get; set; }

    public string? Namespace { get; set; }

    /// <summary>The pushed, deleted or promoted digest.</summary>
    public string? Digest { get; set; }

    /// <summary>Further tags that a push bound, and those that it released.</summary>
    public string? Tags { get; set; }

    /// <summary>The source of a promotion.</summary>
    public string? Detail { get; set; }

    /// <summary>Whether the push is held.</summary>
    public bool IsPending { get; set; }

    /// <summary>How the client logged in: <c>password</c>, <c>token</c>, <c>identity-token</c>, <c>certificate</c>.</summary>
    public string? Login { get; set; }

    public int Status { get; set; }

    public string? ErrorCode { get; set; }

    /// <summary>Number of the last change that the request made; 0 for none.</summary>
    public long Sequence { get; set; }

    /// <summary>Its place among the audit lines of changes; null if it made none.</summary>
    public AuditPlace? Place { get; set; }

    /// <summary>Whether the audit log has handled the request.</summary>
    public bool IsAudited { get; set; }

    public long BytesSent { get; set; }

    public long BytesRead { get; set; }

    /// <summary>
    /// <c>hit</c>, <c>miss</c>, <c>stale</c>, <c>revalidated</c>, <c>coalesced</c>, <c>bypass</c>; null if no cache was involved.
    /// </summary>
    public string? Cache { get; set; }

    /// <summary>Key of the upstream.</summary>
    public string? Upstream { get; set; }

    public int? UpstreamStatus { get; set; }

    /// <summary>The policy decision that refused or warned.</summary>
    public string? Decision { get; set; }

    /// <summary>The code of the first reason of the decision.</summary>
    public string? Reason { get; set; }

    /// <summary>Time from the request's head to the response's head; null if none was sent.</summary>
    public TimeSpan? FirstByte { get; private set; }

    /// <summary>Time from the request's head to the last byte of the response; zero while it is in progress.</summary>
    public TimeSpan Duration { get; private set; }

    /// <summary>Records the start of the response.</summary>
    public void Began() => FirstByte ??= Stopwatch.GetElapsedTime(_started);

    public void Ended(int status)
    {
        Status = status;
        Duration = Stopwatch.GetElapsedTime(_started);
    }
}
