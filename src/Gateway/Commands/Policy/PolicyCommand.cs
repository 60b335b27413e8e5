using System.CommandLine;

namespace Gateway.Commands.Policy;

/// <summary><c>gateway policy</c>: the commands for policies.</summary>
internal static class PolicyCommand
{
    public const string Name = "policy";

    public static Command Create() => new(Name, "Explains, checks, tests and imports policies.")
    {
        PolicyExplainCommand.Create(), PolicyLintCommand.Create(), PolicyTestCommand.Create(), PolicyDiffCommand.Create(),
        PolicyImportCommand.Create(),
    };
}
