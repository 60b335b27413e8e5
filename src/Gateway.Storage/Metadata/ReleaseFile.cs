using System.Text;

namespace Gateway.Storage;

/// <summary>The file in <c>_gateway/released/</c> of one release.</summary>
internal static class ReleaseFile
{
    /// <summary>One line each for the time, the account and the reason.</summary>
    public static byte[] Format(ManifestRelease release) => Encoding.UTF8.GetBytes(string.Join('\n',
        UnixTime.Format(release.At), release.Actor.ReplaceLineEndings(" "), release.Reason.ReplaceLineEndings(" "), ""));

    /// <summary>Reads the file; null when it is incomplete.</summary>
    public static ManifestRelease? Read(string file) => Parse(Path.GetFileName(file), Disk.Text(file) ?? "");

    /// <summary>The same, of a file that was read.</summary>
    public static ManifestRelease? Parse(string name, string text)
    {
        var lines = text.Split('\n');
        return lines.Length == 4 && RepositoryFolders.DigestOf(name) is { IsEmpty: false } digest
            && UnixTime.TryParse(lines[0], out var at)
            ? new(digest, lines[1], lines[2], at)
            : null;
    }
}
