using System.Text.RegularExpressions;

namespace Gateway.Policy;

/// <summary>A condition on a text, made ready: over the whole text, in time linear to it. Safe for concurrent use.</summary>
public sealed class TextMatcher
{
    private readonly TextCondition _condition;
    private readonly Regex? _regex;

    /// <summary>Makes a condition ready. Throws <see cref="ArgumentException"/> for what <see cref="ProblemOf"/> finds.</summary>
    public TextMatcher(TextCondition condition)
    {
        _condition = condition;
        if (condition.Comparison == TextComparison.Regex) _regex = Compile(condition.Pattern);
    }

    /// <summary>Why this is no regular expression that can be matched in linear time; null when it is one.</summary>
    public static string? ProblemOf(string regex)
    {
        try
        {
            Compile(regex);
            return null;
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            return e is NotSupportedException ? "look-arounds, back-references and atomic groups are not taken" : e.Message;
        }
    }

    /// <summary>Whether the whole text is as the condition says.</summary>
    public bool IsMatch(string text) => _condition.Comparison switch
    {
        TextComparison.Glob => Glob.IsMatch(_condition.Pattern, text),
        TextComparison.Regex => _regex!.IsMatch(text),
        _ => string.Equals(_condition.Pattern, text, StringComparison.Ordinal),
    };

    /// <summary>As the file writes it.</summary>
    public override string ToString() => _condition.Comparison switch
    {
        TextComparison.Glob => $"glob {_condition.Pattern}",
        TextComparison.Regex => $"regex {_condition.Pattern}",
        _ => _condition.Pattern,
    };

    // First by itself: a parenthesis too many would close the group that anchors it.
    private static Regex Compile(string regex) => new($@"\A(?:{new Regex(regex, Options)})\z", Options);

    private const RegexOptions Options = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture;
}
