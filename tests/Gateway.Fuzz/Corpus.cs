using System.Security.Cryptography;

namespace Gateway.Fuzz;

/// <summary>Kept inputs: real documents, and everything that ever broke a parser.</summary>
internal static class Corpus
{
    /// <summary>The files of <c>Corpus/&lt;target&gt;/</c>, by name.</summary>
    public static IEnumerable<byte[]> Of(string target, string name = "*") =>
        FilesOf(Path.Combine(AppContext.BaseDirectory, "Corpus", target), name);

    /// <summary>What real signing programs wrote (tests/Gateway.Policy.Tests/Signatures/Fixtures).</summary>
    public static IEnumerable<byte[]> Fixtures() => FilesOf(Path.Combine(AppContext.BaseDirectory, "Fixtures"), "*.json");

    /// <summary>
    /// Keeps an input that broke something; answers where. A copy in <c>Corpus/&lt;target&gt;/</c> makes it a test for ever.
    /// </summary>
    public static string Save(string target, byte[] input)
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "TestResults", "fuzz", target);
        Directory.CreateDirectory(folder);
        var file = Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(input))[..16]);
        File.WriteAllBytes(file, input);
        return file;
    }

    private static IEnumerable<byte[]> FilesOf(string folder, string pattern) => Directory.Exists(folder)
        ? Directory.GetFiles(folder, pattern).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)
        : [];
}
