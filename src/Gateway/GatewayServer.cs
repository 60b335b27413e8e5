using System.Collections;
using Gateway.Configuration;
using Gateway.Operations;

namespace Gateway;

/// <summary>The server as a whole: started, told to stop, and gone without losing what it was doing.</summary>
internal static class GatewayServer
{
    /// <summary>
    /// Serves until <paramref name="stop"/>, SIGTERM or SIGINT. 0 after an orderly end; 1, and one line on stderr, when it could not start.
    /// </summary>
    /// <param name="configurationPath">The file that the options come from, watched for changes; null when there is none.</param>
    public static async Task<int> RunAsync(
        GatewayOptions options, string? configurationPath, Func<LoadedConfiguration, IEnumerable<string>> doubts, CancellationToken stop)
    {
        if (RuntimeFloor.Problem(Environment.Version) is { } tooOld)
        {
            await Console.Error.WriteLineAsync($"gateway cannot start: {tooOld}");
            return 1;
        }
        try
        {
            await using var gateway = await RunningGateway.StartAsync(options, Console.OpenStandardOutput(), TimeProvider.System, stop);
            await using var watcher = new ConfigurationWatcher(
                configurationPath,
                options,
                () => Load(configurationPath),
                (next, _) => gateway.UseAsync(next),
                TimeProvider.System,
                gateway.Logger) { Told = gateway.TellOfReload, Doubts = doubts };
            await Console.Error.WriteLineAsync(gateway.Welcome(configurationPath));
            await gateway.WaitForEndAsync(stop);
            return 0;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync($"gateway cannot start: {exception.Message}");
            return 1;
        }
    }

    private static LoadedConfiguration Load(string? path)
    {
        var variables = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>();
        return ConfigurationLoader.Load(path, variables.Select(each => KeyValuePair.Create((string)each.Key, (string?)each.Value ?? "")));
    }
}
