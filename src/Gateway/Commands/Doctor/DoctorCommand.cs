using System.CommandLine;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Commands.Clients;
using Gateway.Configuration;
using Gateway.Repositories;

namespace Gateway.Commands.Doctor;

/// <summary>
/// <c>gateway doctor</c>: plays the requests of clients against the running gateway, and names what bypasses it, what is slow and what is
/// misconfigured, one line each with the fix.
/// </summary>
internal static partial class DoctorCommand
{
    private const string PasswordVariable = "GATEWAY_PASSWORD";

    public static Command Create()
    {
        var address = ClientConfigCommand.Address();
        var authority = new Option<string?>("--ca")
        {
            Description = "PEM file of the authority that clients trust; by default the authorities of this machine.", HelpName = "FILE",
        };
        var image = new Option<string?>("--image")
        {
            Description = "An image that exists, such as docker.io/library/alpine:latest, to play whole pulls with.",
            HelpName = "REFERENCE",
        }.Expecting("an image such as docker.io/library/alpine:latest", static text => ImageReference.Parse(text) is not null);
        var user = new Option<string?>("--user") { Description = $"The account; set its password in {PasswordVariable}." };
        var files = new Option<string>("--files")
        {
            Description = "The folder that holds the client's /etc, whose files are examined.", HelpName = "DIR",
            DefaultValueFactory = _ => "/",
        };
        var (config, json) = (ConfigurationFile.Option(), AdminCommand.Json());
        var command = new Command("doctor", "Plays clients' requests against the running gateway, and says what to correct.")
        {
            config, address, authority, image, user, files, json,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            if ((await ConfigurationFile.LoadAsync(parsed.GetValue(config), error)).Options is not { } options) return 1;
            var view = new ClientView(options, parsed.GetValue(address) is { } text ? new Uri(text) : null, parsed.GetValue(authority));
            try
            {
                using var caller = new Caller(parsed.GetValue(authority), AccountOf(parsed.GetValue(user)));
                var visit = new Visit(
                    options, view, caller, parsed.GetValue(image) is { } wanted ? NameOf(wanted, view) : null,
                    parsed.GetRequiredValue(files), TimeProvider.System.GetUtcNow());
                var found = await ExamineAsync(visit, cancellationToken);
                await PrintAsync(output, found, parsed.GetValue(json));
                return found.Any(each => each.Level == Level.Error) ? 1 : 0;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
            {
                await error.WriteLineAsync($"gateway: {e.Message}");
                return 1;
            }
        });
        return command;
    }

    private static (string Name, string Password)? AccountOf(string? name) =>
        name is null ? null : (name, Environment.GetEnvironmentVariable(PasswordVariable) ?? "");

    /// <summary>Everything that was checked, the worst first.</summary>
    private static async Task<IReadOnlyList<Finding>> ExamineAsync(Visit visit, CancellationToken cancellationToken)
    {
        var found = new List<Finding>();
        using (var gateway = OperatorClient.Of(visit.Options))
            found.AddRange(await OperatorChecks.RunAsync(gateway, visit.Options, cancellationToken));
        found.AddRange(await ReplicaChecks.RunAsync(visit.Options));
        var bucket = await BucketChecks.RunAsync(visit.Options, cancellationToken);
        found.AddRange(bucket);
        if (bucket.All(static each => each.Level != Level.Error))
            found.AddRange(await BucketChecks.CompareAsync(visit.Options, cancellationToken));
        var front = await FrontChecks.RunAsync(visit, cancellationToken);
        found.AddRange(front);
        // Without a registry at the address every further request would fail for the same reason.
        if (front.Any(each => each is { Level: Level.Ok, Code: "ping" }))
        {
            foreach (var upstream in visit.Options.Upstreams.Values)
                found.AddRange(await UpstreamChecks.RunAsync(visit, upstream, cancellationToken));
            found.AddRange(await ClientSequences.RunAsync(visit, cancellationToken));
        }
        found.AddRange(ClientFileChecks.Run(visit));
        return [.. found.OrderByDescending(each => each.Level)];
    }

    private static async Task PrintAsync(TextWriter output, IReadOnlyList<Finding> found, bool asJson)
    {
        if (asJson)
        {
            await output.WriteLineAsync(JsonSerializer.Serialize(found, DoctorJson.Default.IReadOnlyListFinding));
            return;
        }
        foreach (var each in found) await output.WriteLineAsync(Printable.Line(each.ToString(), int.MaxValue));
    }

    // Clients write library/ before a name of Docker Hub without a slash. A prefix that is no registry's name, such as corp, means a
    // repository by the gateway's own name.
    private static ImageName? NameOf(string text, ClientView view) => ImageReference.Parse(text) is not { } image ? null
        : !text.StartsWith($"{image.Registry}/", StringComparison.Ordinal) && view.Upstreams.Any(each => each.Prefix.Length > 0
            && !each.Namespaces.Contains(each.Prefix) && image.Path.StartsWith($"{each.Prefix}/", StringComparison.Ordinal))
            ? new(view.Host, image.Path, image.Reference.ToString())
        : image.Registry == "docker.io" && !image.Path.Contains('/', StringComparison.Ordinal)
            ? new(image.Registry, $"library/{image.Path}", image.Reference.ToString())
            : new(image.Registry, image.Path, image.Reference.ToString());

    [JsonSerializable(typeof(IReadOnlyList<Finding>))]
    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
    private sealed partial class DoctorJson : JsonSerializerContext;
}
