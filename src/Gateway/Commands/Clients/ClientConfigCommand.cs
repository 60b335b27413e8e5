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
        var address = Address();
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
            var loaded = await ConfigurationFile.LoadAsync(parsed.GetValue(config), parsed.InvocationConfiguration.Error);
            if (loaded.Options is not { } options) return 1;
            var at = parsed.GetValue(address) is { } text ? new Uri(text) : null;
            var gateway = new ClientView(options, at, parsed.GetValue(authority));
            var files = Clients[parsed.GetValue(client)!](gateway, parsed.GetValue(enforce));
            string[] notes = [.. gateway.CommonNotes(), .. files.Notes];
            await PrintAsync(parsed.InvocationConfiguration, parsed.GetValue(json), new(gateway.Url, files.Files, notes));
            return 0;
        });
        return command;
    }

    /// <summary>The option for the address of the gateway, as clients write it.</summary>
    public static Option<string?> Address() => new Option<string?>("--address")
    {
        Description = "The address that clients use; by default publicUrl, otherwise that of a listener.", HelpName = "URL",
    }.Expecting("an address such as https://gateway.example.com", TargetGateway.IsAddress);

    private static async Task PrintAsync(InvocationConfiguration invocation, bool asJson, Printed printed)
    {
        if (asJson)
        {
            await invocation.Output.WriteLineAsync(JsonSerializer.Serialize(printed, ClientConfigJson.Default.Printed));
            return;
        }
        foreach (var (i, file) in printed.Files.Index())
        {
            if (i > 0) await invocation.Output.WriteLineAsync();
            await invocation.Output.WriteLineAsync($"# {file.Path}{(file.IsPart ? " (merge into the file if it exists)" : "")}");
            await invocation.Output.WriteAsync(file.Content.ReplaceLineEndings(Environment.NewLine));
        }
        // Not on standard output, which a script may write to a file.
        foreach (var note in printed.Notes) await invocation.Error.WriteLineAsync($"note: {note}");
    }

    internal sealed record Printed(string Address, IReadOnlyList<ClientFile> Files, string[] Notes);

    [JsonSerializable(typeof(Printed))]
    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    private sealed partial class ClientConfigJson : JsonSerializerContext;
}
