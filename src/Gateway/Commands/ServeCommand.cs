using System.CommandLine;
using Gateway.Commands.Policy;

namespace Gateway.Commands;

/// <summary><c>gateway serve</c>: runs until SIGTERM or SIGINT.</summary>
internal static class ServeCommand
{
    public static Command Create()
    {
        var config = ConfigurationFile.Option();
        var command = new Command("serve", "Serves until SIGTERM or SIGINT; the default command.") { config };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var loaded = await ConfigurationFile.LoadAsync(parsed.GetValue(config), parsed.InvocationConfiguration.Error);
            if (loaded.Options is not { } options) return 1;
            var error = parsed.InvocationConfiguration.Error;
            foreach (var doubt in PolicyLintCommand.Doubts(loaded)) await error.WriteLineAsync($"warning: {doubt}");
            return await GatewayServer.RunAsync(options, loaded.Path, PolicyLintCommand.Doubts, cancellationToken);
        });
        return command;
    }
}
