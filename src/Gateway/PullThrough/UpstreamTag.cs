using Gateway.Oci;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>What an upstream says of a tag.</summary>
internal abstract record UpstreamTag
{
    /// <summary>Bound to this digest.</summary>
    internal sealed record Bound(Digest Digest) : UpstreamTag;

    /// <summary>404.</summary>
    internal sealed record Gone : UpstreamTag;

    /// <summary>401 or 403 with the credentials we have.</summary>
    /// <param name="Account">
    /// Why the account itself is refused, whatever it asks for; null where the upstream refused this tag.
    /// </param>
    internal sealed record Unauthorized(int? Status, string? Account) : UpstreamTag;

    /// <summary>Not asked: too little is left of the rate limit.</summary>
    internal sealed record NotAsked(RateLimit Left) : UpstreamTag;

    /// <summary>No answer that helps: 429, 5xx, a time-out.</summary>
    internal sealed record Unavailable(TimeSpan? RetryAfter, string Why, int? Status) : UpstreamTag
    {
        /// <summary>Whether it is an answer that no registry should give: asking again soon would bring the same.</summary>
        public bool IsFinal { get; init; }

        public static Unavailable Of(UpstreamException e) =>
            new(e.RetryAfter, e.Message, e.Status) { IsFinal = e.IsFinal };
    }
}
