namespace Gateway.Storage;

/// <summary>
/// How an answer came about: what <c>Cache-Status</c> (RFC 9211) and <c>Warning</c> (distribution-spec, "Warnings") will say.
/// </summary>
public sealed record CacheHandling
{
    /// <summary>Served from what is kept here.</summary>
    public static readonly CacheHandling Hit = new() { IsHit = true };

    /// <summary>Answered by this gateway itself; nothing was looked up and nobody was asked.</summary>
    public static readonly CacheHandling Local = new();

    public bool IsHit { get; init; }

    /// <summary>
    /// RFC 9211 <c>fwd</c>: <c>uri-miss</c>, <c>miss</c>, <c>stale</c>, <c>partial</c>, <c>method</c>; null when nobody was asked.
    /// </summary>
    public string? Forward { get; init; }

    /// <summary>The upstream's status, where one came.</summary>
    public int? ForwardStatus { get; init; }

    /// <summary>
    /// For what is not available: whether the upstream's answer can never be used, so that asking again soon would bring the same.
    /// </summary>
    public bool IsFinal { get; init; }

    /// <summary>Whether what came is being kept.</summary>
    public bool Stored { get; init; }

    /// <summary>Whether this request joined a fetch that was under way.</summary>
    public bool Collapsed { get; init; }

    /// <summary>RFC 9211 <c>detail</c>: a token, such as <c>unverified</c>.</summary>
    public string? Detail { get; init; }

    /// <summary>Text of a <c>Warning: 299</c>; null for none. Printable ASCII without quotes.</summary>
    public string? Warning { get; init; }

    /// <summary>Why there may be more than this list has: an upstream could not be asked. One line; null where this is all.</summary>
    public string? Incomplete { get; init; }

    /// <summary>Key of the upstream that was asked or that the content came from; for metrics and logs.</summary>
    public string? Upstream { get; init; }
}

/// <summary>What a backing answers: there, not there, or not to be known now.</summary>
public abstract record Result<T>(CacheHandling Handling)
{
    public sealed record Found(T Value, CacheHandling Handling) : Result<T>(Handling);

    public sealed record Absent(CacheHandling Handling) : Result<T>(Handling);

    /// <summary>
    /// Cannot be answered now. <paramref name="Why"/> is one line fit for a client; <paramref name="RetryAfter"/> where it is known.
    /// </summary>
    public sealed record Unavailable(TimeSpan? RetryAfter, string Why, CacheHandling Handling) : Result<T>(Handling)
    {
        /// <summary>The bytes were pushed and have gone bad on the disk: whoever has them should push them again.</summary>
        public bool IsDamaged { get; init; }
    }
}
