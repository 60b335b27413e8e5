using System.Globalization;

namespace Gateway.Registry;

/// <summary>
/// The form of <c>?ns=</c>: <c>host[:port]</c>, lower-case letters, digits and hyphens in labels (RFC 1123 §2.1); nothing is stripped or
/// folded, for two spellings of one upstream could meet two rules.
/// </summary>
internal static class NamespaceKey
{
    // RFC 1035 §2.3.4.
    private const int MaxHostLength = 253;
    private const int MaxLabelLength = 63;

    public static bool IsValid(ReadOnlySpan<char> text)
    {
        var colon = text.IndexOf(':');
        if (colon >= 0 && !IsPort(text[(colon + 1)..])) return false;
        var host = colon < 0 ? text : text[..colon];
        if (host.IsEmpty || host.Length > MaxHostLength) return false;
        foreach (var label in host.Split('.'))
        {
            if (!IsLabel(host[label])) return false;
        }
        return true;
    }

    private static bool IsLabel(ReadOnlySpan<char> label)
    {
        if (label.IsEmpty || label.Length > MaxLabelLength || label[0] == '-' || label[^1] == '-') return false;
        foreach (var c in label)
        {
            if (!char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c != '-') return false;
        }
        return true;
    }

    private static bool IsPort(ReadOnlySpan<char> text) =>
        !text.IsEmpty && text[0] != '0' && ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out _);
}
