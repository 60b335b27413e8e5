namespace Gateway.Configuration;

/// <summary>
/// One run over a configuration: gathers every mistake, and remembers where each key was written so that later checks can point at it.
/// </summary>
/// <param name="baseDirectory">What relative paths start from; absolute.</param>
internal sealed class Reading(SourceLocation root, string baseDirectory)
{
    private readonly Dictionary<string, SourceLocation> _written = new(StringComparer.Ordinal) { [""] = root };

    public List<ConfigurationMistake> Mistakes { get; } = [];

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
