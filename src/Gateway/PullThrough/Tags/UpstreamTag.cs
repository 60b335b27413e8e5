using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>What an upstream says about a tag.</summary>
internal abstract record UpstreamTag
{
    /// <summary>Bound to this digest.</summary>
    internal sealed record Bound(Digest Digest) : UpstreamTag;

    /// <summary>404.</summary>
    internal sealed record Gone : UpstreamTag;

    /// <summary>401 or 403 with the configured credentials.</summary>
    /// <param name="Account">Why the upstream refuses the account itself, for every request; null if it refused this tag.</param>
    internal sealed record Unauthorized(int? Status, string? Account) : UpstreamTag;

    /// <summary>The gateway did not ask, because the rate budget is low.</summary>
    internal sealed record NotAsked(RateLimit Budget) : UpstreamTag;

    /// <summary>No usable answer: 429, 5xx or a timeout.</summary>
    internal sealed record Unavailable(TimeSpan? RetryAfter, string Why, int? Status) : UpstreamTag
    {
        /// <summary>Whether the answer is unusable and the same request soon would get the same answer.</summary>
        public bool IsFinal { get; init; }

        public static Unavailable Of(UpstreamException e) =>
            new(e.RetryAfter, e.Message, e.Status) { IsFinal = e.IsFinal };
    }
}
