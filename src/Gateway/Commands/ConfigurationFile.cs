using System.CommandLine;
using Gateway.Configuration;

namespace Gateway.Commands;

/// <summary>The <c>--config</c> option, and what it loads.</summary>
internal static class ConfigurationFile
{
    public static Option<string?> Option() => new("--config", "-c")
    {
        Description = "The configuration file; by default ./gateway.yaml, otherwise /etc/gateway/gateway.yaml, if they exist.",
        HelpName = "FILE",
    };

    /// <summary>Loads the configuration and prints every mistake.</summary>
    public static async Task<LoadedConfiguration> LoadAsync(string? path, TextWriter error)
    {
        var loaded = ConfigurationLoader.Load(path);
        foreach (var mistake in loaded.Mistakes) await error.WriteLineAsync(mistake.ToString());
        return loaded;
    }
}
