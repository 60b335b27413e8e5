using System.Globalization;
using System.Text;

namespace Gateway.Oci;

/// <summary>Makes one printable ASCII line of untrusted text, for errors, headers and logs.</summary>
public static class Printable
{
    /// <summary>Most characters of one message (docs/policy.md).</summary>
    public const int MaxMessage = 400;

    // Enough to recognize a digest or a media type.
    private const int MaxQuote = 96;

    /// <summary>
    /// The text on one line of at most <paramref name="max"/> characters. Characters other than printable ASCII become <c>\uXXXX</c>;
    /// <c>...</c> marks a truncated end.
    /// </summary>
    public static string Line(ReadOnlySpan<char> text, int max = MaxMessage)
    {
        var line = new StringBuilder(Math.Min(text.Length, max));
        foreach (var c in text)
        {
            if (line.Length > max) break;
            if (c is >= ' ' and <= '~') line.Append(c);
            else line.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
        }
        return line.Length <= max ? line.ToString() : line.ToString(0, max - 3) + "...";
    }

    /// <summary>
    /// As <see cref="Line(ReadOnlySpan{char}, int)"/>; returns the same string if it needs no change, and the empty string for null.
    /// </summary>
    public static string Line(string? text, int max = MaxMessage) =>
        text is null ? "" : text.Length <= max && !text.AsSpan().ContainsAnyExceptInRange(' ', '~') ? text : Line(text.AsSpan(), max);

    /// <summary>Untrusted text inside a message: as <see cref="Line(ReadOnlySpan{char}, int)"/>, short and in single quotes.</summary>
    public static string Quote(ReadOnlySpan<char> text) => $"'{Line(text, MaxQuote)}'";

    /// <summary>As <see cref="Quote(ReadOnlySpan{char})"/>, for text in UTF-8.</summary>
    public static string Quote(ReadOnlySpan<byte> text) => Quote(Encoding.UTF8.GetString(text[..Math.Min(text.Length, MaxQuote * 4)]));
}
