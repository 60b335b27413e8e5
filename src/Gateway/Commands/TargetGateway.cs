using System.CommandLine;
using Gateway.Configuration;
using Gateway.Operations;

namespace Gateway.Commands;

/// <summary>The gateway that a command contacts: the one that runs with a configuration, or the one at <c>--server</c>.</summary>
internal sealed class TargetGateway
{
    /// <summary>The variable with the token for <c>--server</c>; a configuration has a file for it.</summary>
    public const string TokenVariable = "GATEWAY_OPERATOR_TOKEN";

    public Option<string?> Config { get; } = ConfigurationFile.Option();

    public Option<string?> Server { get; } = new Option<string?>("--server")
    {
        Description = $"Address of the operator port, in place of the configuration's; the token is read from {TokenVariable}.",
        HelpName = "URL",
    }.Expecting("an address such as http://127.0.0.1:5001", IsAddress);

    /// <summary>The client for the gateway of the command line; null after a mistake, which was printed.</summary>
    /// <param name="despiteMistakes">Whether a configuration with mistakes, which were printed, names the gateway too.</param>
    /// <returns>The client, and the options of the configuration if one was read.</returns>
    public async Task<(OperatorClient Client, GatewayOptions? Options)?> ChooseAsync(ParseResult parsed, bool despiteMistakes = false)
    {
        if (parsed.GetValue(Server) is { } server)
            return (OperatorClient.At(new Uri(server), Environment.GetEnvironmentVariable(TokenVariable)), null);
        var loaded = await ConfigurationFile.LoadAsync(parsed.GetValue(Config), parsed.InvocationConfiguration.Error);
        return (loaded.Options ?? (despiteMistakes ? loaded.Readable : null)) is { } options ? (OperatorClient.Of(options), options) : null;
    }

    public static bool IsAddress(string text) => Uri.TryCreate(text, UriKind.Absolute, out var url) && (url.Scheme is "http" or "https");
}
