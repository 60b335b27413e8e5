namespace Gateway.Configuration;

/// <summary>The place of a part of the configuration: in a file, or an environment variable.</summary>
/// <param name="Source">The name of the file, as given, or of the variable.</param>
/// <param name="Line">From 1; 0 for a variable.</param>
/// <param name="Column">From 1; 0 for a variable.</param>
internal sealed record SourceLocation(string Source, int Line, int Column)
{
    public static SourceLocation OfVariable(string name) => new(name, 0, 0);

    public override string ToString() => Line == 0 ? Source : $"{Source}:{Line}:{Column}";
}

/// <summary>A fault in the configuration, which must be corrected before it can be used. Always one line.</summary>
/// <param name="Path">The key, such as <c>upstreams.docker.io.tags.revalidateAfter</c>; empty for the file as a whole.</param>
/// <param name="Message">What was expected, what was written, and what to write instead. Never contains a secret.</param>
internal sealed record ConfigurationMistake(SourceLocation Location, string Path, string Message)
{
    public string Path { get; init => field = OneLine(value); } = OneLine(Path);

    public string Message { get; init => field = OneLine(value); } = OneLine(Message);

    public override string ToString() => Path.Length == 0 ? $"{Location}: {Message}" : $"{Location}: {Path}: {Message}";

    private static string OneLine(string text) => text.Any(EndsLine) ? string.Concat(text.Select(c => EndsLine(c) ? ' ' : c)) : text;

    // Unicode's two line separators are not control characters.
    private static bool EndsLine(char c) => char.IsControl(c) || c is '\u2028' or '\u2029';
}
