using System.Collections;

namespace Gateway.Configuration;

/// <summary>The result of loading: options, or all mistakes.</summary>
/// <param name="Options">Null if there is a mistake.</param>
/// <param name="Path">The file that was read; null for none.</param>
internal sealed record LoadedConfiguration(GatewayOptions? Options, string? Path, IReadOnlyList<ConfigurationMistake> Mistakes)
{
    /// <summary>What could be read of a file with mistakes; keys with a mistake have their defaults. Null if it is no YAML.</summary>
    public GatewayOptions? Readable { get; init; }

    /// <summary>The place of a key, or that of its section.</summary>
    public Func<string, SourceLocation> Locate { get; init; } = _ => new(Path ?? "(no file)", 1, 1);
}

/// <summary>Turns gateway.yaml and the environment into options.</summary>
internal static class ConfigurationLoader
{
    /// <summary>The default files, in this order; none of them needs to exist.</summary>
    public static readonly string[] DefaultPaths = ["gateway.yaml", "/etc/gateway/gateway.yaml"];

    /// <summary>Reads and checks everything, with the environment of this process.</summary>
    public static LoadedConfiguration Load(string? path) => Load(path, Variables());

    /// <summary>Reads and checks everything. Never throws for the content of the file or the environment.</summary>
    /// <param name="path">The file to read, which must exist; null for the default files.</param>
    /// <param name="environment">All variables; those without the prefix <c>GATEWAY__</c> are ignored.</param>
    public static LoadedConfiguration Load(string? path, IEnumerable<KeyValuePair<string, string>> environment)
    {
        var file = path ?? Array.Find(DefaultPaths, File.Exists);
        if (file is null) return Load("", "(no file)", Directory.GetCurrentDirectory(), environment) with { Path = null };
        try
        {
            return Load(BoundedFile.ReadText(file), file, BaseDirectory(file), environment);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return new(null, file, [new(new(file, 1, 1), "", $"expected a configuration file that can be read: {problem.Message}")]);
        }
    }

    /// <summary>The same for the text of a file.</summary>
    /// <param name="source">Its name in mistakes.</param>
    /// <param name="baseDirectory">The absolute base of relative paths.</param>
    /// <param name="files">See <see cref="Reading.Files"/>.</param>
    public static LoadedConfiguration Load(
        string text, string source, string baseDirectory, IEnumerable<KeyValuePair<string, string>> environment,
        Func<string, NamedFile>? files = null)
    {
        var reading = new Reading(new(source, 1, 1), baseDirectory) { Files = files };
        var document = YamlReader.Read(text, source, reading.Mistakes);
        if (document is null) return new(null, source, reading.Mistakes);
        var root = new EnvironmentOverrides(reading).Apply(document, environment);
        GatewaySchema.Root.TryRead(root, "", reading, new(), out var options);
        options = Completion.Complete(options, reading) with
        {
            Origin = new(source, baseDirectory, text, root, reading.FilesRead),
        };
        return new(reading.Mistakes.Count == 0 ? options : null, source, reading.Mistakes) { Readable = options, Locate = reading.Locate };
    }

    private static IEnumerable<KeyValuePair<string, string>> Variables() =>
        Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .Select(variable => KeyValuePair.Create((string)variable.Key, (string?)variable.Value ?? ""));

    /// <summary>The file's folder; the working directory for a pipe or device.</summary>
    private static string BaseDirectory(string file) =>
        IsStream(file) ? Directory.GetCurrentDirectory() : Path.GetDirectoryName(Path.GetFullPath(file))!;

    /// <summary>Whether the file is a pipe or device, which can be read only once: <c>/dev/stdin</c>, <c>/dev/fd/63</c>.</summary>
    public static bool IsStream(string file) =>
        Path.GetFullPath(file) is var full
        && (full.StartsWith("/dev/", StringComparison.Ordinal) || full.StartsWith("/proc/", StringComparison.Ordinal));
}
