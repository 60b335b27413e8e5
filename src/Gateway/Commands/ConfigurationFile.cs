using System.CommandLine;
using Gateway.Configuration;

namespace Gateway.Commands;

/// <summary>The <c>--config</c> option, and what it loads.</summary>
internal static class ConfigurationFile
{
    public static Option<string?> Option() => new("--config", "-c")
    {
        Description = "The configuration; ./gateway.yaml or /etc/gateway/gateway.yaml when left out, and neither need be there.",
        HelpName = "FILE",
    };

    /// <summary>Loads it, and tells every mistake.</summary>
    public static async Task<LoadedConfiguration> LoadAsync(string? path, TextWriter error)
    {
        var loaded = ConfigurationLoader.Load(path);
        foreach (var mistake in loaded.Mistakes) await error.WriteLineAsync(mistake.ToString());
        return loaded;
    }
}
