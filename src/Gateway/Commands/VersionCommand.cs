using System.CommandLine;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gateway.Commands;

/// <summary><c>gateway version</c>.</summary>
internal static partial class VersionCommand
{
    public static Command Create()
    {
        var json = AdminCommand.Json();
        var command = new Command("version", "Prints the version.") { json };
        command.SetAction(async parsed =>
        {
            var version = Read();
            await parsed.InvocationConfiguration.Output.WriteLineAsync(parsed.GetValue(json)
                ? JsonSerializer.Serialize(version, VersionJson.Default.ProductVersion)
                : $"gateway {version.Version} ({version.Runtime}, {version.Platform})");
        });
        return command;
    }

    private static ProductVersion Read()
    {
        var version = typeof(VersionCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!;
        return new(version.InformationalVersion, RuntimeInformation.FrameworkDescription, RuntimeInformation.RuntimeIdentifier);
    }

    /// <param name="Version">SemVer; after a plus, the commit of the build.</param>
    internal sealed record ProductVersion(string Version, string Runtime, string Platform);

    [JsonSerializable(typeof(ProductVersion))]
    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    private sealed partial class VersionJson : JsonSerializerContext;
}
