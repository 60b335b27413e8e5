using System.CommandLine;
using System.CommandLine.Parsing;
using Gateway.Commands.Clients;
using Gateway.Commands.Doctor;
using Gateway.Commands.Policy;

namespace Gateway.Commands;

/// <summary>
/// The commands. Exit codes (docs/cli.md): 0 success, 1 failure, 2 invalid command line. The commands of <c>policy</c> return the verdict,
/// and 4 for an invalid command line.
/// </summary>
internal static class CommandLine
{
    private const int NotUnderstood = 2;

    /// <summary>Runs a command and returns its exit code. Without arguments, or with options only, the command is <c>serve</c>.</summary>
    public static async Task<int> RunAsync(string[] arguments, TextWriter output, TextWriter error)
    {
        var root = Root();
        var parsed = root.Parse(Default(arguments));
        if (parsed.Errors.Count > 0 || UsageProblems.UnknownOption(parsed) is not null)
        {
            foreach (var problem in UsageProblems.Of(parsed)) await error.WriteLineAsync($"gateway: {problem}");
            // For these commands 2 means that content is admitted with a warning.
            return arguments.Contains(PolicyCommand.Name) && UsageProblems.Verbs(parsed).Contains(PolicyCommand.Name)
                ? PolicyExit.Error
                : NotUnderstood;
        }
        // Each command ends by itself: serve by its own signal handling, the others at once.
        return await parsed.InvokeAsync(new() { Output = output, Error = error, ProcessTerminationTimeout = null });
    }

    private static RootCommand Root() =>
        new("Gateway is an OCI registry that stands in front of other registries.")
        {
            ServeCommand.Create(), VerifyCommand.Create(), HealthCommand.Create(), StatsCommand.Create(), PurgeCommand.Create(),
            PrefetchCommand.Create(), GcCommand.Create(), ScrubCommand.Create(), TrashCommand.Create(), JobsCommand.Create(),
            ContentCommands.Repositories(), ContentCommands.Tags(), ContentCommands.Delete(), HoldsCommand.Create(),
            RollbackCommand.Create(), PromoteCommand.Create(), PolicyCommand.Create(), SchemaCommand.Create(),
            HashPasswordCommand.Create(), ClientConfigCommand.Create(), DoctorCommand.Create(), BackupCommand.Create(),
            BackupCommand.Repair(),
            CompletionCommand.Create(), ManCommand.Create(), VersionCommand.Create(),
        };

    private static bool Exists(string[] verbs)
    {
        Command? at = Root();
        foreach (var verb in verbs) at = at?.Subcommands.FirstOrDefault(known => known.Name == verb);
        return at is not null;
    }

    private static string[] Default(string[] arguments)
    {
        // `gateway help policy lint` means `gateway policy lint --help`.
        if (arguments is ["help", .. var verbs]) return Exists(verbs) ? [.. verbs, "--help"] : verbs;
        var namesVerb = arguments.Length > 0
            && (!arguments[0].StartsWith('-') || arguments[0] is "-h" or "-?" or "--help" or "--version");
        return namesVerb ? arguments : ["serve", .. arguments];
    }
}
