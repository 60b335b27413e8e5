using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>Why a fetch failed.</summary>
internal enum FetchFailure
{
    /// <summary>The upstream does not have the content, or no longer.</summary>
    Absent,

    /// <summary>No source sent the whole content.</summary>
    Unavailable,

    /// <summary>The received content has another digest or another length.</summary>
    Wrong,

    /// <summary>The volume took no more bytes; what was fetched so far is still readable.</summary>
    NoRoom,

    /// <summary>The content is already on disk: look there again.</summary>
    OnDisk,

    /// <summary>The last reader left, or the gateway stops.</summary>
    Stopped,
}

/// <summary>A fetch failed. The message is one line fit for a client.</summary>
internal sealed class FetchException(FetchFailure failure, string message, Exception? inner = null) : IOException(message, inner)
{
    public FetchFailure Failure { get; } = failure;

    /// <summary>Whether the upstream refused the range that was asked for: without one it may answer.</summary>
    public bool IsOfRange { get; init; }

    public TimeSpan? RetryAfter => (InnerException as UpstreamException)?.RetryAfter;

    /// <summary>Whether what the upstream gives can never be used; asking again soon would bring the same.</summary>
    public bool IsFinal =>
        Failure == FetchFailure.Wrong || InnerException is UpstreamException { IsFinal: true };

    /// <summary>The upstream's status; null when it did not answer.</summary>
    public int? Status => (InnerException as UpstreamException)?.Status;
}
