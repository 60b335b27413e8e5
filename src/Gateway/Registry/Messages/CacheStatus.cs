using System.Globalization;
using System.Text;
using Gateway.Storage;

namespace Gateway.Registry;

/// <summary>Writes <c>Cache-Status</c> (RFC 9211) of how an answer was obtained.</summary>
internal static class CacheStatus
{
    /// <summary>The gateway itself answered, without a lookup.</summary>
    public const string Local = "gateway";

    private const string Hit = "gateway; hit";

    private static readonly int Reasons = Enum.GetValues<ForwardReason>().Length;
    private static readonly int Details = Enum.GetValues<CacheDetail>().Length;

    // Every value without the upstream's status, made when it is first needed: no response builds one that was built before.
    private static readonly string?[] Texts = new string?[8 * Reasons * Details];

    /// <param name="status">The response's own status: RFC 9211 §2.3 has the upstream's only where it differs.</param>
    public static string Of(CacheHandling handling, int status)
    {
        var isHit = handling.IsHit && !IsRevalidated(handling);
        if (handling.UpstreamStatus is { } next && next != status) return TextOf(handling, isHit, next);
        var flags = (isHit ? 4 : 0) + (handling.Stored ? 2 : 0) + (handling.Collapsed ? 1 : 0);
        return Texts[(((flags * Reasons) + (int)handling.Forward) * Details) + (int)handling.Detail] ??= TextOf(handling, isHit, null);
    }

    private static string TextOf(CacheHandling handling, bool isHit, int? upstreamStatus)
    {
        var text = new StringBuilder(isHit ? Hit : Local);
        if (TokenOf(handling.Forward) is { } forward) text.Append("; fwd=").Append(forward);
        if (handling.Stored) text.Append("; stored");
        if (handling.Collapsed) text.Append("; collapsed");
        if (upstreamStatus is { } next) text.Append(CultureInfo.InvariantCulture, $"; fwd-status={next}");
        if (TokenOf(handling.Detail) is { } detail) text.Append("; detail=").Append(detail);
        return text.ToString();
    }

    /// <summary>The parameter <c>fwd</c> of RFC 9211 §2.2; null when the request was not forwarded.</summary>
    private static string? TokenOf(ForwardReason reason) => reason switch
    {
        ForwardReason.Absent => "uri-miss",
        ForwardReason.List => "miss",
        ForwardReason.Stale => "stale",
        ForwardReason.Range => "partial",
        _ => null,
    };

    /// <summary>The parameter <c>detail</c> of RFC 9211 §2.8; null for none.</summary>
    private static string? TokenOf(CacheDetail detail) => detail switch
    {
        CacheDetail.Unverified => "unverified",
        CacheDetail.RateLimit => "rate-limit",
        CacheDetail.Peer => "peer",
        CacheDetail.Bucket => "bucket",
        _ => null,
    };

    /// <summary>The same as the <c>result</c> label of metrics (docs/pull-through.md); null when no cache was involved.</summary>
    public static string? ResultOf(CacheHandling handling) => handling switch
    {
        { IsHit: true, Forward: ForwardReason.None } => "hit",
        _ when IsRevalidated(handling) => "revalidated",
        { IsHit: true } => "stale",
        { Collapsed: true } => "coalesced",
        { Forward: ForwardReason.Range } => "bypass",
        { Forward: not ForwardReason.None } => "miss",
        _ => null,
    };

    /// <summary>The upstream confirmed the cached content. A notice means that it said something else.</summary>
    private static bool IsRevalidated(CacheHandling handling) =>
        handling is { IsHit: true, Forward: ForwardReason.Stale, UpstreamStatus: 200, Notice: null };
}
