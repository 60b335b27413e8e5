using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Configuration;
using Gateway.Policy;

namespace Gateway.Commands.Policy;

/// <summary><c>gateway policy lint</c>: reports likely mistakes in a policy.</summary>
internal static partial class PolicyLintCommand
{
    // Some lines of a terminal.
    private const int MaxMessage = 800;

    public static Command Create()
    {
        var (config, json) = (ConfigurationFile.Option(), AdminCommand.Json());
        var command = new Command(
            "lint", "Checks the configuration as verify does, and reports likely mistakes in its policy and access rules.")
        {
            config, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            var (output, error) = (parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
            var loaded = await ConfigurationFile.LoadAsync(parsed.GetValue(config), error);
            if (loaded.Options is null) return PolicyExit.Error;
            var warnings = Lint(loaded, DateTimeOffset.UtcNow);
            if (parsed.GetValue(json)) await output.WriteLineAsync(JsonSerializer.Serialize(warnings, LintJson.Default.WarningArray));
            else foreach (var warning in warnings) await output.WriteLineAsync(warning.ToString());
            return warnings.Length == 0 ? PolicyExit.Allow : PolicyExit.Warn;
        });
        return command;
    }

    /// <summary>The current warnings, one line each.</summary>
    public static IEnumerable<string> Doubts(LoadedConfiguration loaded) =>
        Lint(loaded, DateTimeOffset.UtcNow).Select(static warning => warning.ToString());

    /// <summary>The warnings, in the order of the file.</summary>
    public static Warning[] Lint(LoadedConfiguration loaded, DateTimeOffset now)
    {
        if (loaded.Options is not { } options) return [];
        var found = LintAccess.Of(options).Concat(options.Policy is { } policy ? OfPolicy(options, policy, now) : []);
        return
        [
            .. found.Select(one => (Finding: one, At: loaded.Locate(one.Path)))
                .OrderBy(static one => one.At.Line).ThenBy(static one => one.At.Column)
                .Select(static one => new Warning(
                    one.At.Source, one.At.Line, one.At.Column,
                    one.Finding.Path, one.Finding.Code, Printable.Line(one.Finding.What), one.Finding.Fix)),
        ];
    }

    private static IEnumerable<LintFinding> OfPolicy(GatewayOptions options, PolicyOptions policy, DateTimeOffset now)
    {
        string[] proxied = [.. from route in options.Routes where route.Upstream is not null select route.Prefix];
        return LintRules.Of(policy, proxied).Concat(LintDefaults.Of(policy))
            .Concat(LintTrust.Of(policy, now)).Concat(LintExceptions.Of(policy, now))
            .Concat(options.Access is null ? LintRules.OfOpenGateway(policy, proxied) : []);
    }

    /// <param name="Line">From 1; 0 for a variable of the environment.</param>
    internal sealed record Warning(string File, int Line, int Column, string Path, string Code, string What, string Fix)
    {
        public override string ToString() =>
            Printable.Line($"{new SourceLocation(File, Line, Column)}: {Path}: {Code}: {What}; fix: {Fix}", MaxMessage);
    }

    [JsonSerializable(typeof(Warning[]))]
    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    private sealed partial class LintJson : JsonSerializerContext;
}
