using System.CommandLine;
using System.CommandLine.Parsing;

namespace Gateway.Commands;

/// <summary>Checks of single values on the command line. The error is <c>NAME: expected X, got 'Y'</c>.</summary>
internal static class Expectations
{
    /// <summary>Refuses a value of an option that is not valid.</summary>
    /// <param name="expected">What the value must be, with an example.</param>
    public static Option<T> Expecting<T>(this Option<T> option, string expected, Func<string, bool> isValid)
    {
        option.Validators.Add(result => Check(result, option.Name, expected, isValid));
        return option;
    }

    /// <summary>Refuses an argument that is not valid.</summary>
    /// <param name="expected">What the argument must be, with an example.</param>
    public static Argument<T> Expecting<T>(this Argument<T> argument, string expected, Func<string, bool> isValid)
    {
        argument.Validators.Add(result => Check(result, argument.Name, expected, isValid));
        return argument;
    }

    private static void Check(SymbolResult result, string name, string expected, Func<string, bool> isValid)
    {
        if (result.Tokens is [{ Value: var text }] && !isValid(text)) result.AddError($"{name}: expected {expected}, got '{text}'");
    }
}
