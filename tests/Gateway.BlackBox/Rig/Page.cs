namespace Gateway.BlackBox.Rig;

/// <summary>A page of docs/clients. Tests write the same files as the page, with their own addresses.</summary>
internal sealed class Page(string name)
{
    private readonly string[] _lines = File.ReadAllLines(Path.Combine(RigFolder.Repository, "docs", "clients", name));

    /// <summary>The code block after a line that begins with the file's path in backticks.</summary>
    /// <param name="file">The path as the page writes it.</param>
    /// <param name="section">Title of the section that has the block.</param>
    /// <param name="replacements">Addresses and paths of the page, and those of the test; each must occur.</param>
    public string Block(string file, string section, params (string Written, string Real)[] replacements)
    {
        var text = string.Join('\n', BlockLines(file, section)) + "\n";
        foreach (var (written, real) in replacements)
        {
            if (!text.Contains(written, StringComparison.Ordinal))
                Assert.Fail($"expected '{written}' in {file} of docs/clients/{name}, '{section}':\n{text}");
            text = text.Replace(written, real, StringComparison.Ordinal);
        }
        return text;
    }

    /// <summary>Asserts that a client wrote a message, and that the page shows it.</summary>
    public void Explains(string message, Output output)
    {
        if (!output.Failed().Text.Contains(message, StringComparison.Ordinal))
            Assert.Fail($"{output.Command}\nexpected '{message}', got:\n{output.Text}");
        Assert.Contains(message, string.Join('\n', _lines), StringComparison.Ordinal);
    }

    private string[] BlockLines(string file, string section)
    {
        var lines = _lines
            .SkipWhile(line => line.TrimStart('#', ' ') != section || !line.StartsWith('#')).Skip(1)
            .TakeWhile(line => !line.StartsWith("## ", StringComparison.Ordinal))
            .SkipWhile(line => !line.StartsWith($"`{file}`", StringComparison.Ordinal))
            .SkipWhile(line => !line.StartsWith("```", StringComparison.Ordinal)).Skip(1)
            .TakeWhile(line => !line.StartsWith("```", StringComparison.Ordinal))
            .ToArray();
        return lines.Length > 0
            ? lines
            : throw new InvalidOperationException($"docs/clients/{name} has no block for {file} in its section '{section}'.");
    }
}
