using System.CommandLine;
using System.CommandLine.Parsing;
using Gateway.Configuration;

namespace Gateway.Commands;

/// <summary>What is wrong with a command line, in the words of the person who typed it, and what to type instead.</summary>
internal static class UsageProblems
{
    /// <summary>One line for each mistake, then one that says where to read on.</summary>
    public static IEnumerable<string> Of(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        var verbs = Verbs(parsed);
        var typed = string.Join(' ', verbs.Prepend("gateway"));
        if (command.Subcommands.Count > 0)
        {
            var known = command.Subcommands.Select(verb => verb.Name).ToArray();
            var unknown = parsed.UnmatchedTokens is [var first, ..] ? first : null;
            yield return unknown is null
                ? $"expected a verb after '{typed}', got none"
                : $"unknown verb '{string.Join(' ', verbs.Append(unknown))}'{NearestName.Hint(unknown, known)}";
            yield return $"the verbs{(verbs.Length == 0 ? "" : $" of '{typed}'")} are {string.Join(", ", known)}; "
                + $"'{typed} <verb> --help' tells more";
            yield break;
        }
        foreach (var message in parsed.Errors.Select(Message).Distinct(StringComparer.Ordinal)) yield return message;
        yield return $"'{typed} --help' tells what it takes";
    }

    /// <summary>The verbs that were understood, outermost first; without the program's own name.</summary>
    public static string[] Verbs(ParseResult parsed)
    {
        var names = new Stack<string>();
        for (SymbolResult? at = parsed.CommandResult; at is CommandResult { Parent: not null } result; at = result.Parent)
            names.Push(result.Command.Name);
        return [.. names];
    }

    // The library's own message for a value of the wrong type names the type of the program.
    private static string Message(ParseError problem) => problem.SymbolResult is { } at && problem.Message.Contains("expected type")
        ? at switch
        {
            OptionResult option => $"{option.Option.Name}: expected {Kind(option.Option.ValueType)}, got '{Tokens(option)}'",
            ArgumentResult argument => $"{argument.Argument.Name}: expected {Kind(argument.Argument.ValueType)}, got '{Tokens(argument)}'",
            _ => "a value is not as expected",
        }
        : problem.Message;

    private static string Tokens(SymbolResult result) => string.Join(' ', result.Tokens.Select(token => token.Value));

    private static string Kind(Type type) =>
        type == typeof(int) || type == typeof(long) ? "a whole number" : type == typeof(bool) ? "true or false" : "another value";
}
