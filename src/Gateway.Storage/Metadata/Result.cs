namespace Gateway.Storage;

/// <summary>How an answer was obtained. The HTTP face writes it as <c>Cache-Status</c> and <c>Warning</c>.</summary>
public sealed record CacheHandling
{
    /// <summary>Served from stored content; no upstream was asked.</summary>
    public static readonly CacheHandling Hit = new() { IsHit = true };

    /// <summary>Answered by the gateway itself: nothing was looked up and no upstream was asked.</summary>
    public static readonly CacheHandling Local = new();

    /// <summary>Whether the answer is stored content.</summary>
    public bool IsHit { get; init; }

    /// <summary>Why an upstream was asked.</summary>
    public ForwardReason Forward { get; init; }

    /// <summary>The status that the upstream answered; null when it did not answer, or was not asked.</summary>
    public int? UpstreamStatus { get; init; }

    /// <summary>
    /// For an unavailable answer: whether the upstream's answer can never be used, so that asking again soon returns the same.
    /// </summary>
    public bool IsFinal { get; init; }

    /// <summary>Whether the content that was received is being stored.</summary>
    public bool Stored { get; init; }

    /// <summary>Whether this request joined a fetch that was already running.</summary>
    public bool Collapsed { get; init; }

    /// <summary>A further detail for the client of how the answer was obtained.</summary>
    public CacheDetail Detail { get; init; }

    /// <summary>One line for the client, such as why an answer is stale; null for none. It may contain any character.</summary>
    public string? Notice { get; init; }

    /// <summary>
    /// Why a list may be incomplete, or what was found may be outdated: an upstream could not be asked, or the bucket did not answer. One
    /// line; null when neither is the case.
    /// </summary>
    public string? Incomplete { get; init; }

    /// <summary>Key of the upstream that was asked or from which the content was fetched, for metrics and logs; null for none.</summary>
    public string? Upstream { get; init; }
}

/// <summary>Why an upstream was asked.</summary>
public enum ForwardReason : byte
{
    /// <summary>No upstream was asked.</summary>
    None,

    /// <summary>The content was not stored here.</summary>
    Absent,

    /// <summary>A list, which is always asked of the upstream.</summary>
    List,

    /// <summary>The stored content had to be revalidated, or was served because that failed.</summary>
    Stale,

    /// <summary>Only a range was stored or needed.</summary>
    Range,
}

/// <summary>A detail of how an answer was obtained.</summary>
public enum CacheDetail : byte
{
    /// <summary>No detail.</summary>
    None,

    /// <summary>The bytes are sent before the digest of the whole was checked.</summary>
    Unverified,

    /// <summary>The upstream was not asked, because its rate limit is nearly used up.</summary>
    RateLimit,

    /// <summary>The bytes come from another replica.</summary>
    Peer,

    /// <summary>The bytes come from the bucket of pushed content, because the local disk has no copy.</summary>
    Bucket,
}

/// <summary>What a backing returns: found, absent, or unavailable.</summary>
public abstract record Result<T>(CacheHandling Handling)
{
    /// <summary>The content was found.</summary>
    public sealed record Found(T Value, CacheHandling Handling) : Result<T>(Handling);

    /// <summary>The content does not exist.</summary>
    public sealed record Absent(CacheHandling Handling) : Result<T>(Handling);

    /// <summary>
    /// The backing cannot answer now. <paramref name="Why"/> is one line that a client may see; <paramref name="RetryAfter"/> is null when
    /// unknown.
    /// </summary>
    public sealed record Unavailable(TimeSpan? RetryAfter, string Why, CacheHandling Handling) : Result<T>(Handling)
    {
        /// <summary>Whether pushed bytes are damaged on the disk: a client that has them should push them again.</summary>
        public bool IsDamaged { get; init; }
    }
}
