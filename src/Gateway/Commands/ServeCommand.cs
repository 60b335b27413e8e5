using System.CommandLine;

namespace Gateway.Commands;

/// <summary><c>gateway serve</c>: runs until SIGTERM or SIGINT.</summary>
internal static class ServeCommand
{
    public static Command Create()
    {
        var config = ConfigurationFile.Option();
        var command = new Command("serve", "Serves until it is told to stop; the verb when none is given.") { config };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var loaded = await ConfigurationFile.LoadAsync(parsed.GetValue(config), parsed.InvocationConfiguration.Error);
            return loaded.Options is { } options ? await GatewayServer.RunAsync(options, loaded.Path, cancellationToken) : 1;
        });
        return command;
    }
}
