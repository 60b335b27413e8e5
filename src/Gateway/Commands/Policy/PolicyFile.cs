using Gateway.Configuration;
using Gateway.Operations;

namespace Gateway.Commands.Policy;

/// <summary>A file whose <c>policy</c> section is to be tried; its other sections are read, and count for nothing.</summary>
internal static class PolicyFile
{
    /// <summary>Reads and checks a file; null after its mistakes have been told.</summary>
    public static async Task<PolicyText?> ReadAsync(string file, TextWriter error)
    {
        try
        {
            var folder = ConfigurationLoader.IsStream(file)
                ? Directory.GetCurrentDirectory()
                : Path.GetDirectoryName(Path.GetFullPath(file))!;
            var text = new PolicyText(BoundedFile.ReadText(file), file, folder);
            // By who asks, and as he: the gateway is sent what they say.
            var mistakes = ConfigurationLoader.Load(text.Text, file, folder, [], Read).Mistakes;

            NamedFile Read(string path) =>
                text.Files[path] = new(BoundedFile.ReadText(path), System.IO.File.GetLastWriteTimeUtc(path));
            foreach (var mistake in mistakes) await error.WriteLineAsync(mistake.ToString());
            return mistakes.Count == 0 ? text : null;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            await error.WriteLineAsync($"{file}:1:1: expected a policy file that can be read: {problem.Message}");
            return null;
        }
    }
}
