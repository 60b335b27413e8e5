using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>Why a fetch failed.</summary>
internal enum FetchFailure
{
    /// <summary>The upstream does not have the content, or no longer has it.</summary>
    Absent,

    /// <summary>No source sent the whole content.</summary>
    Unavailable,

    /// <summary>The received content has another digest or another length.</summary>
    Wrong,

    /// <summary>The volume accepted no more bytes; the bytes fetched so far stay readable.</summary>
    NoRoom,

    /// <summary>The content is already on disk; look there again.</summary>
    OnDisk,

    /// <summary>The last reader has left, or the gateway is stopping.</summary>
    Stopped,
}

/// <summary>A fetch failed. The message is one line that can be sent to a client.</summary>
internal sealed class FetchException(FetchFailure failure, string message, Exception? inner = null) : IOException(message, inner)
{
    public FetchFailure Failure { get; } = failure;

    /// <summary>Whether the upstream refused the requested range; a request without a range may succeed.</summary>
    public bool IsOfRange { get; init; }

    public TimeSpan? RetryAfter => (InnerException as UpstreamException)?.RetryAfter;

    /// <summary>Whether the upstream's content can never be used; the same request soon would get the same content.</summary>
    public bool IsFinal =>
        Failure == FetchFailure.Wrong || InnerException is UpstreamException { IsFinal: true };

    /// <summary>The upstream's status; null if it did not answer.</summary>
    public int? Status => (InnerException as UpstreamException)?.Status;
}
