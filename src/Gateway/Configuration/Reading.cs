namespace Gateway.Configuration;

/// <summary>A file that a configuration names.</summary>
/// <param name="Written">When it was last changed.</param>
internal sealed record NamedFile(string Text, DateTimeOffset Written);

/// <summary>
/// One pass over a configuration. It collects every mistake, and records where each key was written for later checks.
/// </summary>
/// <param name="baseDirectory">The absolute base of relative paths.</param>
internal sealed class Reading(SourceLocation root, string baseDirectory)
{
    private readonly Dictionary<string, SourceLocation> _written = new(StringComparer.Ordinal) { [""] = root };

    public List<ConfigurationMistake> Mistakes { get; } = [];

    /// <summary>
    /// Source of files by their absolute paths; null for the disk. If it is set, no file is read from the disk, because the author of the
    /// configuration may not have the right to read the files that this process can read.
    /// </summary>
    public Func<string, NamedFile>? Files { get; init; }

    /// <summary>The absolute paths of the files that were read.</summary>
    public HashSet<string> FilesRead { get; } = new(StringComparer.Ordinal);

    /// <exception cref="IOException">The file cannot be read.</exception>
    public NamedFile ReadFile(string path)
    {
        FilesRead.Add(path);
        return Files is null ? new(BoundedFile.ReadText(path), File.GetLastWriteTimeUtc(path)) : Files(path);
    }

    public static string Join(string path, string key) => path.Length == 0 ? key : $"{path}.{key}";

    public string Absolute(string path) => Path.GetFullPath(path, baseDirectory);

    public void Remember(string path, SourceLocation location) => _written[path] = location;

    /// <summary>Whether this key is written in the configuration (and does not merely have its default).</summary>
    public bool IsWritten(string path) => _written.ContainsKey(path);

    /// <summary>Whether everything below this key was read without a mistake, so that it can be compared with other sections.</summary>
    public bool IsSound(string key) => !Mistakes.Exists(mistake => mistake.Path.StartsWith(key, StringComparison.Ordinal));

    public void Add(SourceLocation location, string path, string message) => Mistakes.Add(new(location, path, message));

    /// <summary>Adds a mistake at the place of this key, or at that of its section.</summary>
    public void Add(string path, string message) => Add(Locate(path), path, message);

    /// <summary>The place of this key, or that of its section.</summary>
    public SourceLocation Locate(string path)
    {
        var written = path;
        while (!_written.ContainsKey(written)) written = written[..Math.Max(0, written.LastIndexOfAny(['.', '[']))];
        return _written[written];
    }
}
