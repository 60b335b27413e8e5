using Gateway.Configuration;

namespace Gateway;

/// <summary>Puts the house together and runs it.</summary>
internal static class GatewayServer
{
    /// <summary>Serves until it is told to stop, and returns the exit code.</summary>
    /// <param name="configurationPath">The file to watch for changes; null when there was none.</param>
    public static Task<int> RunAsync(GatewayOptions options, string? configurationPath, CancellationToken stop) => throw new NotImplementedException();
}
