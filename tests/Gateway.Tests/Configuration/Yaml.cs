using Gateway.Configuration;
using Xunit;

namespace Gateway.Tests.Configuration;

/// <summary>Loads configurations from text.</summary>
internal static class Yaml
{
    public static LoadedConfiguration Load(string text, params (string Name, string Value)[] environment) =>
        ConfigurationLoader.Load(
            text, "gateway.yaml", Path.GetTempPath(), environment.Select(pair => KeyValuePair.Create(pair.Name, pair.Value)));

    public static GatewayOptions Good(string text, params (string Name, string Value)[] environment)
    {
        var loaded = Load(text, environment);
        Assert.Empty(loaded.Mistakes.Select(mistake => mistake.ToString()));
        return loaded.Options!;
    }

    public static string[] Mistakes(string text, params (string Name, string Value)[] environment)
    {
        var loaded = Load(text, environment);
        Assert.Null(loaded.Options);
        return [.. loaded.Mistakes.Select(mistake => mistake.ToString())];
    }

    /// <summary>The only mistake of a text that has one.</summary>
    public static string Mistake(string text, params (string Name, string Value)[] environment) =>
        Assert.Single(Mistakes(text, environment));
}
