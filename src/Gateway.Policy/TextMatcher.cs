using System.Text.RegularExpressions;

namespace Gateway.Policy;

/// <summary>A condition on a text, prepared for matching: over the whole text, in linear time. Safe for concurrent use.</summary>
public sealed class TextMatcher
{
    private readonly TextCondition _condition;
    private readonly Regex? _regex;

    /// <summary>Prepares a condition. Throws <see cref="ArgumentException"/> when <see cref="ProblemOf"/> finds a problem.</summary>
    public TextMatcher(TextCondition condition)
    {
        _condition = condition;
        if (condition.Comparison == TextComparison.Regex) _regex = Compile(condition.Pattern);
    }

    /// <summary>Why this is not a regular expression that matches in linear time; null when it is one.</summary>
    public static string? ProblemOf(string regex)
    {
        try
        {
            Compile(regex);
            return null;
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            return e is NotSupportedException ? "look-arounds, back-references and atomic groups are not supported" : e.Message;
        }
    }

    /// <summary>Whether the whole text meets the condition.</summary>
    public bool IsMatch(string text) => _condition.Comparison switch
    {
        TextComparison.Glob => Glob.IsMatch(_condition.Pattern, text),
        TextComparison.Regex => _regex!.IsMatch(text),
        _ => string.Equals(_condition.Pattern, text, StringComparison.Ordinal),
    };

    /// <summary>The condition as the file writes it.</summary>
    public override string ToString() => _condition.Comparison switch
    {
        TextComparison.Glob => $"glob {_condition.Pattern}",
        TextComparison.Regex => $"regex {_condition.Pattern}",
        _ => _condition.Pattern,
    };

    // Compiled alone first: an extra parenthesis would close the group that anchors it.
    private static Regex Compile(string regex) => new($@"\A(?:{new Regex(regex, Options)})\z", Options);

    private const RegexOptions Options = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture;
}
