namespace Gateway.Commands.Clients;

/// <summary>Writes values of TOML.</summary>
internal static class Toml
{
    /// <summary>A basic string (TOML 1.0, "String").</summary>
    public static string Text(string value) =>
        $"\"{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
}
