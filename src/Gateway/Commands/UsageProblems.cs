using System.CommandLine;
using System.CommandLine.Parsing;
using Gateway.Configuration;

namespace Gateway.Commands;

/// <summary>Explains mistakes in a command line in terms of the command line, with the remedy.</summary>
internal static class UsageProblems
{
    /// <summary>One line for each mistake, then one that refers to the help.</summary>
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
                ? $"expected a command after '{typed}', got none"
                : $"unknown command '{string.Join(' ', verbs.Append(unknown))}'{NearestName.Hint(unknown, known)}";
            yield return $"the commands{(verbs.Length == 0 ? "" : $" of '{typed}'")} are {string.Join(", ", known)}; "
                + $"'{typed} <command> --help' shows their options";
            yield break;
        }
        if (UnknownOption(parsed) is { } option)
        {
            yield return $"unknown option '{option}'{NearestName.Hint(option, [.. command.Options.Select(each => each.Name)])}";
            yield return $"'{typed} --help' shows its options";
            yield break;
        }
        foreach (var message in parsed.Errors.Select(Message).Distinct(StringComparer.Ordinal)) yield return message;
        yield return $"'{typed} --help' shows its options";
    }

    /// <summary>
    /// An option that the command does not have, and that the library takes for an argument: <c>gateway purge --dryrun</c> would purge what
    /// has that name. Null for none.
    /// </summary>
    public static string? UnknownOption(ParseResult parsed) => parsed.Tokens.Any(static token => token.Type == TokenType.DoubleDash)
        ? null
        : parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(static argument => argument.Tokens)
            .Select(static token => token.Value).Concat(parsed.UnmatchedTokens)
            .FirstOrDefault(static value => value.StartsWith("--", StringComparison.Ordinal));

    /// <summary>The commands that were recognized, outermost first, without the program's own name.</summary>
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
            _ => "a value has the wrong type",
        }
        : problem.Message;

    private static string Tokens(SymbolResult result) => string.Join(' ', result.Tokens.Select(token => token.Value));

    private static string Kind(Type type) =>
        type == typeof(int) || type == typeof(long) ? "a whole number" : type == typeof(bool) ? "true or false" : "another value";
}
