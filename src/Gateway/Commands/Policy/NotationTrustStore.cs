using System.Security.Cryptography;
using System.Text;
using Gateway.Configuration;

namespace Gateway.Commands.Policy;

/// <summary>Notation's trust store: <c>x509/{ca,signingAuthority,tsa}/NAME/</c> with certificates in PEM or DER.</summary>
/// <param name="folder">The folder with <c>x509</c>.</param>
internal sealed class NotationTrustStore(string folder)
{
    private const string Path = "trustPolicies.trustStores";

    // A certificate has about 2 KiB, a bundle somewhat more.
    private const long MaxBytes = 1 << 20;

    private static readonly string[] Kinds = ["ca", "signingAuthority", "tsa"];

    /// <summary>The <c>policy.trust.notation</c> entry for the stores of a statement, with the certificates themselves.</summary>
    public MappingNode Read(MappingNode statement, Import import)
    {
        var found = Kinds.ToDictionary(static kind => kind, static _ => new List<ConfigurationNode>());
        var named = statement.ItemsOf("trustStores").OfType<ScalarNode>().ToList();
        if (named.Count == 0) import.Refuse(statement, Path, "expected trust stores such as ca:acme");
        foreach (var one in named)
        {
            var parts = one.Value.Split(':');
            if (parts is not [var kind, { Length: > 0 } name] || !found.TryGetValue(kind, out var certificates) || !IsName(name))
                import.Refuse(one, Path, $"expected ca:NAME, signingAuthority:NAME or tsa:NAME, got {Printable.Quote(one.Value)}");
            else certificates.AddRange(ReadFolder(one, System.IO.Path.Combine(folder, "x509", kind, name), import));
        }
        return Nodes.Map(statement.Location, [.. Kinds.Where(kind => found[kind].Count > 0).Select(kind =>
            (kind, (ConfigurationNode?)Nodes.List(statement.Location, found[kind])))]);
    }

    // The names that notation allows, without the two that lead to another folder.
    private static bool IsName(string name) =>
        name is not ("." or "..") && name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-');

    private static List<ConfigurationNode> ReadFolder(ScalarNode at, string path, Import import)
    {
        var found = new List<ConfigurationNode>();
        try
        {
            if (new DirectoryInfo(path).LinkTarget is not null) import.Refuse(at, Path, $"expected a folder, got the link '{path}'");
            foreach (var entry in new DirectoryInfo(path).GetFileSystemInfos().OrderBy(static entry => entry.Name, StringComparer.Ordinal))
            {
                if (entry.LinkTarget is not null) import.Refuse(at, Path, $"expected files, got the link '{entry.FullName}'");
                else if (entry is not FileInfo) import.Note(at, Path, $"'{entry.FullName}' is ignored, because Notation ignores folders");
                else if (ReadFile((FileInfo)entry, at) is { } certificate) found.Add(certificate);
                else import.Refuse(at, Path, $"expected certificates of at most {MaxBytes} bytes in '{entry.FullName}'");
            }
            if (found.Count == 0) import.Refuse(at, Path, $"expected certificates in '{path}', got none");
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            import.Refuse(at, Path, $"expected a trust store that can be read: {problem.Message}");
        }
        return found;
    }

    private static ScalarNode? ReadFile(FileInfo file, ScalarNode at)
    {
        if (file.Length > MaxBytes) return null;
        var bytes = File.ReadAllBytes(file.FullName);
        var text = Encoding.UTF8.GetString(bytes);
        if (!text.Contains("-----BEGIN", StringComparison.Ordinal)) text = PemEncoding.WriteString("CERTIFICATE", bytes) + "\n";
        return Nodes.Text(text.ReplaceLineEndings("\n"), at.Location);
    }
}
