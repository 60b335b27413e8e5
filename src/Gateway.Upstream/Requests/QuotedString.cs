using System.Text;

namespace Gateway.Upstream;

/// <summary>A quoted string of a header (RFC 9110 §5.6.4), which can contain commas and semicolons.</summary>
internal static class QuotedString
{
    /// <summary>
    /// Reads the string whose opening quote was read, and removes it from the rest. Without a closing quote it ends with the header.
    /// </summary>
    public static string Take(ref ReadOnlySpan<char> rest)
    {
        var value = new StringBuilder();
        for (var i = 0; i < rest.Length; i++)
        {
            if (rest[i] == '"')
            {
                rest = rest[(i + 1)..];
                return value.ToString();
            }
            if (rest[i] == '\\' && i + 1 < rest.Length) i++;
            value.Append(rest[i]);
        }
        rest = default;
        return value.ToString();
    }
}
