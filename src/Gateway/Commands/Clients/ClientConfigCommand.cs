using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gateway.Commands.Clients;

/// <summary><c>gateway client-config</c>: the files by which a client pulls through this gateway.</summary>
internal static partial class ClientConfigCommand
{
    private static readonly Dictionary<string, Func<ClientView, bool, ClientFiles>> Clients = new(StringComparer.Ordinal)
    {
        ["containerd"] = ContainerdFiles.Containerd,
        ["k3s"] = ContainerdFiles.K3s,
        ["crio"] = ContainersFiles.Crio,
        ["podman"] = ContainersFiles.Podman,
        ["docker"] = DockerFiles.Docker,
        ["kind"] = ContainerdFiles.Kind,
        ["buildkit"] = DockerFiles.BuildKit,
        ["helm"] = static (gateway, _) => HelmFiles.Helm(gateway),
    };

    public static Command Create()
    {
        var client = new Argument<string>("CLIENT") { Description = $"One of {string.Join(", ", Clients.Keys)}." };
        client.AcceptOnlyFromAmong([.. Clients.Keys]);
        var enforce = new Option<bool>("--enforce")
        {
            Description = "The form that fails closed: without the gateway, or against its policy, the client gets nothing.",
        };
        var address = new Option<string?>("--address")
        {
            Description = "The address that clients use; by default publicUrl, otherwise that of a listener.", HelpName = "URL",
        };
        address.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !TargetGateway.IsAddress(result.Tokens[0].Value))
                result.AddError($"--address: expected an address such as https://gateway.example.com, got '{result.Tokens[0].Value}'");
        });
        var authority = new Option<string?>("--ca")
        {
            Description = "Path, on the client, of the certificate of the authority that signed the gateway's certificate.",
            HelpName = "FILE",
        };
        var (config, json) = (ConfigurationFile.Option(), AdminCommand.Json());
        var command = new Command("client-config", "Prints the files by which a client pulls through this gateway.")
        {
            client, enforce, address, authority, config, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            var loaded = await ConfigurationFile.LoadAsync(parsed.GetValue(config), error);
            if (loaded.Options is not { } options) return 1;
            var at = parsed.GetValue(address) is { } text ? new Uri(text) : null;
            var gateway = new ClientView(options, at, parsed.GetValue(authority));
            var files = Clients[parsed.GetValue(client)!](gateway, parsed.GetValue(enforce));
            var notes = gateway.CommonNotes().Concat(files.Notes).ToArray();
            if (parsed.GetValue(json))
            {
                await output.WriteLineAsync(
                    JsonSerializer.Serialize(new Printed(gateway.Url, files.Files, notes), ClientConfigJson.Default.Printed));
                return 0;
            }
            foreach (var (i, file) in files.Files.Index())
            {
                if (i > 0) await output.WriteLineAsync();
                await output.WriteLineAsync($"# {file.Path}{(file.IsPart ? " (merge into the file if it exists)" : "")}");
                await output.WriteAsync(file.Content.ReplaceLineEndings(Environment.NewLine));
            }
            // Not on standard output, which a script may write to a file.
            foreach (var note in notes) await error.WriteLineAsync($"note: {note}");
            return 0;
        });
        return command;
    }

    internal sealed record Printed(string Address, IReadOnlyList<ClientFile> Files, string[] Notes);

    [JsonSerializable(typeof(Printed))]
    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    private sealed partial class ClientConfigJson : JsonSerializerContext;
}
