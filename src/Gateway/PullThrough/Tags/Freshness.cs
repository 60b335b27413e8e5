using Gateway.Configuration;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>How long the gateway trusts an upstream's answer.</summary>
internal static class Freshness
{
    /// <summary>A 404 from an upstream is cached for <c>revalidateAfter</c>, but no longer than 30 s (docs/pull-through.md).</summary>
    public static TimeSpan OfAbsence(UpstreamOptions options)
    {
        var after = options.Tags.RevalidateAfter;
        return after != Timeout.InfiniteTimeSpan && after < LongestAbsence ? after : LongestAbsence;
    }

    /// <summary>
    /// How long an answer about evidence is used while the rate budget is ample. A client that asks for evidence does so because there may
    /// be more by now, for example right after it was signed; one request a second for each digest is little for any upstream.
    /// </summary>
    public static readonly TimeSpan OfEvidence = TimeSpan.FromSeconds(1);

    /// <summary>Whether the gateway asks as if there were no rate limit: there is none, or at least half of it remains.</summary>
    public static bool IsAmple(RateLimit? budget) => budget is null or { Stretch: 1 };

    /// <summary>
    /// Whether clients look for evidence under this tag: it has one of cosign's suffixes, or is of the referrers tag schema
    /// (distribution-spec).
    /// </summary>
    public static bool IsOfEvidence(TagName tag) =>
        EvidenceTag.Parse(tag) is not null
        || (tag.Value.Length == Sha512Tag.Length + 64 && tag.Value.StartsWith(Sha512Tag, StringComparison.Ordinal));

    // The spec cuts the encoded digest to 64 characters.
    private const string Sha512Tag = "sha512-";

    private static readonly TimeSpan LongestAbsence = TimeSpan.FromSeconds(30);
}
