using Gateway.Configuration;

namespace Gateway.Operations.ReadModels;

/// <summary>The configuration in force.</summary>
/// <param name="File">The file that it was read from; null for none.</param>
/// <param name="Search">Only settings whose name contains this; null for all.</param>
/// <param name="Settings">Each setting with its value and its source; values of secrets are masked.</param>
/// <param name="Written">Number of settings that are written in the file or the environment.</param>
public sealed record ConfigurationPage(string? File, string? Search, IReadOnlyList<SettingRow> Settings, int Written);

/// <summary>Makes the page of the configuration.</summary>
internal sealed class ConfigurationPages(ConfigurationInForce inForce)
{
    /// <param name="search">A part of a setting's name; null for all.</param>
    public ConfigurationPage Read(string? search)
    {
        if (inForce.Current.Origin is not { } origin) return new(null, search, [], 0);
        var rows = origin.Rows();
        return new(
            origin.Source, search,
            [.. rows.Where(row => search is null || row.Name.Contains(search, StringComparison.OrdinalIgnoreCase))],
            rows.Count(static row => !row.IsDefault));
    }
}
