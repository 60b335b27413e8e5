using System.Globalization;

namespace Gateway.Storage;

/// <summary>The folder of the lookup index: a store for links, a store for content, and a note about the last clean stop.</summary>
internal sealed class IndexFolder(string path, TimeProvider clock)
{
    public string Links => Path.Combine(path, "links");

    public string Content => Path.Combine(path, "content");

    private string Note => Path.Combine(path, "complete-since");

    /// <summary>
    /// The number of the first start since which no change was lost, because every start since ended cleanly. <paramref name="current"/>
    /// when the last one did not. Reading the note removes it, so that only another clean stop can write it again.
    /// </summary>
    public uint TakeCompleteSince(uint current)
    {
        if (Disk.Text(Note) is not { } text) return current;
        File.Delete(Note);
        var end = text.IndexOf(' ', StringComparison.Ordinal);
        return end > 0 && uint.TryParse(text.AsSpan(0, end), NumberStyles.None, CultureInfo.InvariantCulture, out var since)
            && text == Text(since) ? since : current;
    }

    public void NoteCompleteSince(uint start) => File.WriteAllText(Note, Text(start));

    /// <summary>Moves the folder to <c>….bad-time</c> for later diagnosis, and removes the folder that was moved before.</summary>
    public void SetAside()
    {
        if (!Disk.HasFolder(path)) return;
        var parent = Path.GetDirectoryName(Path.GetFullPath(path))!;
        foreach (var earlier in Directory.GetDirectories(parent, Path.GetFileName(path) + ".bad-*"))
            Directory.Delete(earlier, recursive: true);
        Directory.Move(path, $"{path}.bad-{clock.GetUtcNow().ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture)}");
    }

    private static string Text(uint start) =>
        string.Create(CultureInfo.InvariantCulture, $"{start} {Crc32C.RawOf(in start):x8}");
}
