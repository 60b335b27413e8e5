using System.CommandLine;

namespace Gateway.Commands.Policy;

/// <summary><c>gateway policy</c>: the verbs about policies.</summary>
internal static class PolicyCommand
{
    public const string Name = "policy";

    public static Command Create() => new(Name, "Asks, checks, tries and imports policies.")
    {
        PolicyExplainCommand.Create(), PolicyLintCommand.Create(), PolicyTestCommand.Create(), PolicyDiffCommand.Create(),
        PolicyImportCommand.Create(),
    };
}
