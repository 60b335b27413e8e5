using System.CommandLine;
using Gateway.Configuration;
using Gateway.Operations;

namespace Gateway.Commands;

/// <summary>Which gateway a verb asks: the one that runs with a configuration, or the one at <c>--server</c>.</summary>
internal sealed class TargetGateway
{
    /// <summary>Where the token is read from when <c>--server</c> is given: a configuration has a file for it.</summary>
    public const string TokenVariable = "GATEWAY_OPERATOR_TOKEN";

    public TargetGateway() => Server.Validators.Add(result =>
    {
        if (result.Tokens.Count == 1 && !IsAddress(result.Tokens[0].Value))
            result.AddError($"--server: expected an address such as http://127.0.0.1:5001, got '{result.Tokens[0].Value}'");
    });

    public Option<string?> Config { get; } = ConfigurationFile.Option();

    public Option<string?> Server { get; } = new("--server")
    {
        Description = $"The operator's port of the gateway to ask, in place of the configuration's; a token is read from {TokenVariable}.",
        HelpName = "URL",
    };

    /// <summary>The client for the gateway that the command line names; null after a mistake, which has been told.</summary>
    /// <returns>The client, and the options of the configuration where one was read.</returns>
    public async Task<(OperatorClient Client, GatewayOptions? Options)?> ChooseAsync(ParseResult parsed)
    {
        if (parsed.GetValue(Server) is { } server)
            return (OperatorClient.At(new Uri(server), Environment.GetEnvironmentVariable(TokenVariable)), null);
        var loaded = await ConfigurationFile.LoadAsync(parsed.GetValue(Config), parsed.InvocationConfiguration.Error);
        return loaded.Options is { } options ? (OperatorClient.Of(options), options) : null;
    }

    /// <summary>Whether a text is the address of a server.</summary>
    public static bool IsAddress(string text) => Uri.TryCreate(text, UriKind.Absolute, out var url) && (url.Scheme is "http" or "https");
}
