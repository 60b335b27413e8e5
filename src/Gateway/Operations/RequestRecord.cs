using System.Diagnostics;

namespace Gateway.Operations;

/// <summary>
/// What is told of one request when it is over: the line of the access log and the labels of its metrics. Holds no query, no
/// credentials.
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

    /// <summary>The route's label; a request that names nothing readable is <c>invalid</c>.</summary>
    public string Route { get; set; } = "invalid";

    public string? Actor { get; set; }

    public string? Repository { get; set; }

    public string? Reference { get; set; }

    public string? Namespace { get; set; }

    /// <summary>What was pushed, deleted or promoted.</summary>
    public string? Digest { get; set; }

    /// <summary>Further tags that a push bound, and those that it published.</summary>
    public string? Tags { get; set; }

    /// <summary>Where a promotion came from.</summary>
    public string? Detail { get; set; }

    /// <summary>Whether what was pushed waits.</summary>
    public bool IsPending { get; set; }

    /// <summary>By what somebody says who he is: <c>password</c>, <c>token</c>, <c>identity-token</c>, <c>certificate</c>.</summary>
    public string? Login { get; set; }

    public int Status { get; set; }

    public string? ErrorCode { get; set; }

    /// <summary>Number of the last change that the request made; 0 for none.</summary>
    public long Sequence { get; set; }

    /// <summary>Its place among the lines of the audit log that tell of changes; null where it has made none.</summary>
    public AuditPlace? Place { get; set; }

    /// <summary>Whether the audit log has been told.</summary>
    public bool IsAudited { get; set; }

    public long BytesSent { get; set; }

    public long BytesRead { get; set; }

    /// <summary>
    /// <c>hit</c>, <c>miss</c>, <c>stale</c>, <c>revalidated</c>, <c>coalesced</c>, <c>bypass</c>; null when no cache was involved.
    /// </summary>
    public string? Cache { get; set; }

    /// <summary>Key of the upstream.</summary>
    public string? Upstream { get; set; }

    public int? UpstreamStatus { get; set; }

    /// <summary>The policy decision that refused or warned.</summary>
    public string? Decision { get; set; }

    /// <summary>The code of the first reason of the decision.</summary>
    public string? Reason { get; set; }

    /// <summary>Time from the request's head to the answer's; null when none was sent.</summary>
    public TimeSpan? FirstByte { get; private set; }

    /// <summary>Time from the request's head to the answer's last byte; zero while it is under way.</summary>
    public TimeSpan Duration { get; private set; }

    /// <summary>Notes that the answer begins now.</summary>
    public void Began() => FirstByte ??= Stopwatch.GetElapsedTime(_started);

    /// <summary>Notes that the request is over.</summary>
    public void Ended(int status)
    {
        Status = status;
        Duration = Stopwatch.GetElapsedTime(_started);
    }
}
