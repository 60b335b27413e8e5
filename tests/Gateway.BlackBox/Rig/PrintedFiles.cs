using System.Text.Json.Nodes;

namespace Gateway.BlackBox.Rig;

/// <summary>What <c>gateway client-config</c> prints for one client and one gateway.</summary>
internal sealed class PrintedFiles
{
    private readonly Dictionary<string, string> _files;

    private PrintedFiles(Dictionary<string, string> files) => _files = files;

    /// <summary>Runs the command with the configuration of a gateway.</summary>
    /// <param name="client">The client that runs it.</param>
    /// <param name="gateway">Its configuration.</param>
    /// <param name="arguments">The kind of client, and options.</param>
    public static async Task<PrintedFiles> OfAsync(Client client, GatewayProcess gateway, params string[] arguments)
    {
        string[] command = [GatewayProcess.Assembly, "client-config", .. arguments, "--json", "--config", gateway.ConfigurationFile];
        var printed = (await client.RunAsync("dotnet", command)).Succeeded();
        return new(JsonNode.Parse(printed.Stdout)!["files"]!.AsArray().ToDictionary(
            static file => file!["path"]!.GetValue<string>(), static file => file!["content"]!.GetValue<string>()));
    }

    /// <summary>The content of a file.</summary>
    public string this[string path] => _files.TryGetValue(path, out var text)
        ? text
        : throw new InvalidOperationException($"expected {path}, got {string.Join(", ", _files.Keys)}");

    /// <summary>The files below a folder, by their paths in it.</summary>
    public IEnumerable<(string Path, string Content)> Below(string folder) =>
        _files.Where(file => file.Key.StartsWith(folder + "/", StringComparison.Ordinal))
            .Select(file => (file.Key[(folder.Length + 1)..], file.Value));
}
