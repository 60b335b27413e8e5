using Microsoft.Extensions.Primitives;

namespace Gateway.Registry;

/// <summary>Writes <c>Warning</c> headers (distribution-spec, "Warnings": code 299, agent <c>-</c>, no date).</summary>
internal static class Warnings
{
    // Chosen: about 1 KiB in all, well below the spec's 4096 bytes for all warnings of an answer.
    private const int MaxCount = 3;
    private const int MaxTextLength = 320;

    /// <summary>Adds one warning. A text that is too long is cut, and warnings beyond the limit are left out.</summary>
    public static void Add(IHeaderDictionary headers, string text)
    {
        var present = headers.Warning;
        if (present.Count >= MaxCount) return;
        var quoted = Printable.Line(text, MaxTextLength).Replace('"', '\'').Replace('\\', '/');
        headers.Warning = StringValues.Concat(present, $"299 - \"{quoted}\"");
    }
}
