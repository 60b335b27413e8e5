using System.Text.RegularExpressions;

namespace Gateway.Policy;

/// <summary>
/// A version by Semantic Versioning 2.0.0, with or without a leading <c>v</c>, ordered by its §11. Numbers have any length.
/// </summary>
internal sealed partial class SemanticVersion : IComparable<SemanticVersion>
{
    private readonly string[] _core;
    private readonly string[] _prerelease;

    private SemanticVersion(string text, Match match) =>
        (_text, _core, _prerelease) = (text, match.Groups["core"].Value.Split('.'), Split(match.Groups["pre"].Value));

    private readonly string _text;

    /// <summary>Reads a complete version; null for anything else, also without three numbers.</summary>
    public static SemanticVersion? Parse(string text) =>
        text.Length <= MaxLength && Form().Match(text) is { Success: true } match ? new(text, match) : null;

    // The longest tag.
    private const int MaxLength = 128;

    public int CompareTo(SemanticVersion? other)
    {
        if (other is null) return 1;
        for (var i = 0; i < 3; i++)
        {
            if (CompareNumbers(_core[i], other._core[i]) is not 0 and var c) return c;
        }
        // A release is above its prereleases.
        if (_prerelease.Length == 0 || other._prerelease.Length == 0) return other._prerelease.Length.CompareTo(_prerelease.Length);
        for (var i = 0; i < Math.Min(_prerelease.Length, other._prerelease.Length); i++)
        {
            if (CompareParts(_prerelease[i], other._prerelease[i]) is not 0 and var c) return c;
        }
        return _prerelease.Length.CompareTo(other._prerelease.Length);
    }

    private static int CompareParts(string left, string right)
    {
        var (leftIsNumber, rightIsNumber) = (left.All(char.IsAsciiDigit), right.All(char.IsAsciiDigit));
        if (leftIsNumber && rightIsNumber) return CompareNumbers(left, right);
        return leftIsNumber == rightIsNumber ? string.CompareOrdinal(left, right) : leftIsNumber ? -1 : 1;
    }

    // Without leading zeros the longer number is the larger.
    private static int CompareNumbers(string left, string right) =>
        left.Length != right.Length ? left.Length.CompareTo(right.Length) : string.CompareOrdinal(left, right);

    private static string[] Split(string text) => text.Length == 0 ? [] : text.Split('.');

    public override string ToString() => _text;

    [GeneratedRegex(
        @"\Av?(?<core>(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*))"
        + @"(-(?<pre>(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
        + @"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?\z",
        RegexOptions.NonBacktracking | RegexOptions.CultureInvariant)]
    private static partial Regex Form();
}
