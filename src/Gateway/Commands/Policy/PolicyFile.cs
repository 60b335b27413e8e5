using Gateway.Configuration;
using Gateway.Operations;

namespace Gateway.Commands.Policy;

/// <summary>A file whose <c>policy</c> section is evaluated; its other sections are read and ignored.</summary>
internal static class PolicyFile
{
    /// <summary>Reads and checks a file; null after its mistakes were printed.</summary>
    public static async Task<PolicyText?> ReadAsync(string file, TextWriter error)
    {
        try
        {
            var folder = ConfigurationLoader.IsStream(file)
                ? Directory.GetCurrentDirectory()
                : Path.GetDirectoryName(Path.GetFullPath(file))!;
            var text = new PolicyText(BoundedFile.ReadText(file), file, folder);
            // The command reads the named files with the rights of its user, and sends their text to the gateway.
            var mistakes = ConfigurationLoader.Load(text.Text, file, folder, [], Read).Mistakes;

            NamedFile Read(string path) =>
                text.Files[path] = new(BoundedFile.ReadText(path), System.IO.File.GetLastWriteTimeUtc(path));
            foreach (var mistake in mistakes) await error.WriteLineAsync(mistake.ToString());
            return mistakes.Count == 0 ? text : null;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            await error.WriteLineAsync($"{file}:1:1: expected a readable policy file: {problem.Message}");
            return null;
        }
    }
}
