namespace Gateway.Configuration;

/// <summary>A file that a configuration names.</summary>
/// <param name="Written">When it was last changed.</param>
internal sealed record NamedFile(string Text, DateTimeOffset Written);

/// <summary>
/// One run over a configuration: gathers every mistake, and remembers where each key was written so that later checks can point at it.
/// </summary>
/// <param name="baseDirectory">What relative paths start from; absolute.</param>
internal sealed class Reading(SourceLocation root, string baseDirectory)
{
    private readonly Dictionary<string, SourceLocation> _written = new(StringComparer.Ordinal) { [""] = root };

    public List<ConfigurationMistake> Mistakes { get; } = [];

    /// <summary>
    /// Where files come from by their absolute paths; null for the disk. Where it is set, none is looked at otherwise: whoever wrote the
    /// configuration need not be one who may read what this process may.
    /// </summary>
    public Func<string, NamedFile>? Files { get; init; }

    /// <exception cref="IOException">It cannot be read.</exception>
    public NamedFile ReadFile(string path) =>
        Files is null ? new(BoundedFile.ReadText(path), File.GetLastWriteTimeUtc(path)) : Files(path);

    public static string Join(string path, string key) => path.Length == 0 ? key : $"{path}.{key}";

    public string Absolute(string path) => Path.GetFullPath(path, baseDirectory);

    public void Remember(string path, SourceLocation location) => _written[path] = location;

    /// <summary>Whether this key stands in the configuration (and does not merely have its default).</summary>
    public bool IsWritten(string path) => _written.ContainsKey(path);

    /// <summary>Whether what is below this key was read without a mistake, so that it can be compared with other sections.</summary>
    public bool IsSound(string key) => !Mistakes.Exists(mistake => mistake.Path.StartsWith(key, StringComparison.Ordinal));

    public void Add(SourceLocation location, string path, string message) => Mistakes.Add(new(location, path, message));

    /// <summary>Adds a mistake where this key was written, or where the section around it was.</summary>
    public void Add(string path, string message) => Add(Locate(path), path, message);

    /// <summary>Where this key was written, or where the section around it was.</summary>
    public SourceLocation Locate(string path)
    {
        var written = path;
        while (!_written.ContainsKey(written)) written = written[..Math.Max(0, written.LastIndexOfAny(['.', '[']))];
        return _written[written];
    }
}
