using System.CommandLine;
using Gateway.Commands.Policy;
using Gateway.Configuration;

namespace Gateway.Commands;

/// <summary>
/// The verbs. Exit codes (docs/cli.md): 0 done, 1 it could not be done, 2 the command line was not understood; policy has its own.
/// </summary>
internal static class CommandLine
{
    private const int NotUnderstood = 2;

    /// <summary>Runs a verb and returns its exit code. Without arguments, or with options only, the verb is <c>serve</c>.</summary>
    public static async Task<int> RunAsync(string[] arguments, TextWriter output, TextWriter error)
    {
        var root = Root();
        var verbs = root.Subcommands.Select(verb => verb.Name).ToArray();
        var parsed = root.Parse(Default(arguments));
        if (parsed.Errors.Count > 0)
        {
            var problems = parsed.CommandResult.Command == root
                ? [$"unknown verb '{arguments[0]}'{NearestName.Hint(arguments[0], verbs)}"]
                : parsed.Errors.Select(problem => problem.Message);
            foreach (var problem in problems) await error.WriteLineAsync($"gateway: {problem}");
            await error.WriteLineAsync($"The verbs are {string.Join(", ", verbs)}; 'gateway <verb> --help' tells more.");
            // For these verbs 2 means that something is admitted with a warning.
            return arguments[0] == PolicyCommand.Name ? PolicyExit.Error : NotUnderstood;
        }
        // Each verb ends by itself: serve by its own handling of signals, the others at once.
        return await parsed.InvokeAsync(new() { Output = output, Error = error, ProcessTerminationTimeout = null });
    }

    private static RootCommand Root() =>
        new("Gateway is an OCI registry that stands in front of other registries.")
        {
            ServeCommand.Create(), VerifyCommand.Create(), HealthCommand.Create(), StatsCommand.Create(), PurgeCommand.Create(),
            PrefetchCommand.Create(), PromoteCommand.Create(), PolicyCommand.Create(),
            SchemaCommand.Create(), HashPasswordCommand.Create(), VersionCommand.Create(),
        };

    private static string[] Default(string[] arguments)
    {
        var namesVerb = arguments.Length > 0 && (!arguments[0].StartsWith('-') || arguments[0] is "-h" or "-?" or "--help" or "--version");
        return namesVerb ? arguments : ["serve", .. arguments];
    }
}
