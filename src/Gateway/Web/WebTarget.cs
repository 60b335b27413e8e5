using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace Gateway.Web;

/// <summary>
/// Decides by the raw request target whether a request on a host with <c>web: forward</c> is for the gateway, may go to the upstream's web
/// application, or is refused. A target that is forwarded is forwarded byte for byte. So every reading that a server behind the gateway
/// could give it is checked here: each level of percent-encoding, dot segments, empty segments, <c>\</c> and <c>;</c>.
/// </summary>
/// <remarks>
/// Decoding only replaces <c>%XX</c>. What a reading holds in plain characters, all later readings hold too. A server that decodes some
/// characters and leaves others therefore sees nothing that the last reading does not show.
/// </remarks>
internal static class WebTarget
{
    // Harbor's pages encode the slash of a repository's name twice (%252F). Chosen: two more levels; no known client uses more.
    private const int MaxDecodings = 4;

    // RFC 3986 §3.3 without ';', which some servers cut off with what follows it; and '[', ']', '^' and '|', which browsers do not encode.
    private static readonly SearchValues<char> PathCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,=:@/%[]^|");

    // A server that cuts its path at a decoded '?' or '#' ends the segment there.
    private static readonly SearchValues<char> SegmentEnds = SearchValues.Create("/?#");

    // Characters that compatibility mappings of Unicode turn into '.', '/', '\', '%' and ';' (Unicode Standard Annex #15, NFKC).
    private static readonly SearchValues<char> Lookalikes =
        SearchValues.Create("\uFF0E\uFF0F\uFF3C\uFF05\uFF1B\u2024\u2025\u2026\uFE52\uFE68\uFE6A");

    // The first segments of paths that the gateway reserves, and of the registry API before version 2, which has no gate here.
    private static readonly string[] Reserved = ["v1", "v2", "token"];

    // The segment that follows the name of a repository in the registry API (distribution-spec, "Endpoints").
    private static readonly string[] Operations = ["manifests", "blobs", "tags", "referrers", "catalog"];

    /// <summary>Whether the gateway itself answers this target: <c>/v2/…</c>, <c>/-/…</c> and <c>/token</c>, spelled exactly so.</summary>
    public static bool IsOfGateway(string rawTarget) =>
        PathOf(rawTarget) is "/v2" or "/token" || rawTarget.StartsWith("/v2/", StringComparison.Ordinal)
        || rawTarget.StartsWith("/-/", StringComparison.Ordinal);

    /// <summary>The path of a target that <see cref="ProblemOf"/> accepts.</summary>
    public static string PathOf(string rawTarget) =>
        rawTarget.IndexOf('?', StringComparison.Ordinal) is var end and >= 0 ? rawTarget[..end] : rawTarget;

    /// <summary>Why the target is not forwarded, in one line for the client; null when it is forwarded exactly as it is.</summary>
    public static string? ProblemOf(string rawTarget)
    {
        if (!rawTarget.StartsWith('/')) return "expected a request target that begins with '/', got another form";
        if (rawTarget.AsSpan().ContainsAnyExceptInRange('!', '~') || rawTarget.Contains('#', StringComparison.Ordinal))
            return "expected printable ASCII without '#' in the request target; percent-encode other characters";
        var path = PathOf(rawTarget);
        if (path.AsSpan().ContainsAnyExcept(PathCharacters))
            return "the path holds a character that must be percent-encoded, or ';' or '\\'";

        // Each character is one byte of the reading.
        var reading = path;
        for (var decodings = 0; ; decodings++)
        {
            if (ProblemOfReading(reading) is { } problem) return problem;
            var decoded = Decode(reading, out var isBroken);
            if (decodings == 0 && isBroken) return "the path holds a '%' without two hexadecimal digits behind it";
            if (decoded == reading) return null;
            if (decodings == MaxDecodings) return $"the path is percent-encoded more than {MaxDecodings} times over";
            reading = decoded;
        }
    }

    private static string? ProblemOfReading(string reading)
    {
        var bytes = Encoding.Latin1.GetBytes(reading);
        if (bytes.AsSpan().ContainsAnyInRange((byte)0, (byte)0x1F) || bytes.Contains((byte)0x7F))
            return "the path holds a control character";
        if (!Utf8.IsValid(bytes)) return "the path holds bytes that are not UTF-8";
        if (Encoding.UTF8.GetString(bytes).AsSpan().ContainsAny(Lookalikes))
            return "the path holds a character that looks like '.', '/', '\\', '%' or ';'";
        if (reading.AsSpan().ContainsAny('\\', ';')) return "the path holds '\\' or ';', also percent-encoded";
        if (reading.Contains("//", StringComparison.Ordinal)) return "the path holds an empty segment";
        return HasEncodedUnit(reading) ? "the path holds %u, which is no percent-encoding" : ProblemOfSegments(reading);
    }

    private static string? ProblemOfSegments(string reading)
    {
        var isFirst = true;
        var isRegistry = false;
        var rest = reading.AsSpan(1);
        while (!rest.IsEmpty)
        {
            var end = rest.IndexOfAny(SegmentEnds);
            var segment = end < 0 ? rest : rest[..end];
            rest = end < 0 ? [] : rest[(end + 1)..];
            if (segment.Length > 0 && !segment.ContainsAnyExcept(". ")) return "the path holds a dot segment";
            var name = NameOf(segment);
            // Also letters beyond ASCII: some servers read a full-width 2 as a 2.
            if (isFirst && segment.Length > 0 && (name.Length == 0 || Reserved.Contains(name) || !Ascii.IsValid(name)))
                return "the path leads to the registry API; this gateway answers it under /v2/, /-/ and /token, spelled exactly so";
            if (isRegistry && Operations.Contains(name))
                return "the path leads to a registry API below another path, past this gateway's policy";
            (isFirst, isRegistry) = (false, isRegistry || name == "v2");
        }
        return null;
    }

    // The rest of a segment in servers that drop dots, spaces or signs at its ends, in any case.
    private static string NameOf(ReadOnlySpan<char> segment)
    {
        var name = new StringBuilder(segment.Length);
        foreach (var c in segment)
        {
            if (char.IsAsciiLetterOrDigit(c) || c > 0x7F) name.Append(char.ToLowerInvariant(c));
        }
        return name.ToString();
    }

    private static string Decode(string text, out bool isBroken)
    {
        isBroken = false;
        if (!text.Contains('%', StringComparison.Ordinal)) return text;
        var decoded = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '%') decoded.Append(text[i]);
            else if (i + 2 < text.Length && char.IsAsciiHexDigit(text[i + 1]) && char.IsAsciiHexDigit(text[i + 2]))
            {
                decoded.Append((char)Convert.ToByte(text.Substring(i + 1, 2), 16));
                i += 2;
            }
            else
            {
                isBroken = true;
                decoded.Append('%');
            }
        }
        return decoded.ToString();
    }

    // IIS reads %uXXXX as a UTF-16 unit.
    private static bool HasEncodedUnit(string reading)
    {
        for (var i = reading.IndexOf("%u", StringComparison.OrdinalIgnoreCase); i >= 0;
            i = reading.IndexOf("%u", i + 1, StringComparison.OrdinalIgnoreCase))
        {
            if (reading.Length >= i + 6 && reading.AsSpan(i + 2, 4).ToString().All(char.IsAsciiHexDigit)) return true;
        }
        return false;
    }
}
