using System.Globalization;

namespace Gateway.Storage;

/// <summary>What a volume noted before this start.</summary>
/// <param name="Generation">Number of this process start.</param>
/// <param name="Sequence">The last change that was durable when a segment was last ended.</param>
internal readonly record struct Start(uint Generation, long Sequence);

/// <summary>The folders of a volume besides its roots, and the few notes in them.</summary>
internal sealed record Folders(string Path)
{
    /// <summary>The number of the format that this code writes; a higher one is refused.</summary>
    private const int Format = 1;

    public string Own => $"{Path}/gateway";

    public string Temporary => $"{Own}/tmp";

    public string Journal => $"{Own}/journal";

    public string Uploads => $"{Own}/uploads";

    public string Fetches => $"{Own}/fetches";

    public string Trash => $"{Own}/trash";

    public string Decisions => $"{Own}/decisions";

    public string Index => $"{Own}/index";

    private string StartFile => $"{Own}/start";

    private string SequenceFile => $"{Own}/sequence";

    /// <summary>Where <see cref="LatestMoment"/> is kept, as Unix milliseconds.</summary>
    public string LatestMomentFile => $"{Own}/latest-moment";

    /// <summary>The latest moment that this volume has seen, to the millisecond; the first of all moments where it has seen none.</summary>
    public DateTimeOffset LatestMoment
    {
        get => UnixTime.TryParse(ReadNumber(LatestMomentFile).ToString(CultureInfo.InvariantCulture), out var at) ? at : default;
        set => WriteNumber(LatestMomentFile, value.ToUnixTimeMilliseconds());
    }

    /// <summary>Makes what is missing. Throws <see cref="IOException"/> with one line when the volume cannot be used.</summary>
    public static Folders Make(string path)
    {
        var folders = new Folders(System.IO.Path.GetFullPath(path).TrimEnd('/'));
        try
        {
            string[] own = [folders.Own, folders.Temporary, folders.Journal, folders.Uploads, folders.Fetches, folders.Trash];
            foreach (var folder in own) Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new IOException($"storage.path {path} cannot be written: {e.Message}", e);
        }
        return folders;
    }

    /// <summary>Takes the volume for this process, and removes what the last one left half done.</summary>
    public FileStream TakeLock()
    {
        var file = new FileStream($"{Own}/lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite);
        try
        {
            // With file locking switched off, FileShare keeps nobody out; this does (tried).
            file.Lock(0, 1);
        }
        catch (IOException e)
        {
            file.Dispose();
            throw new IOException($"storage.path {Path} is in use by another gateway; stop it, or give this one a path of its own", e);
        }
        CheckFormat();
        foreach (var leftover in new DirectoryInfo(Temporary).EnumerateFileSystemInfos())
        {
            if (leftover is DirectoryInfo folder) folder.Delete(recursive: true);
            else leftover.Delete();
        }
        return file;
    }

    private void CheckFormat()
    {
        var found = ReadNumber($"{Own}/format");
        if (found > Format)
            throw new IOException($"storage.path {Path} has format {found}, written by a newer gateway; this one knows {Format}");
        if (found == 0) WriteNumber($"{Own}/format", Format);
    }

    /// <summary>Counts this start, durably: the number must never be given twice.</summary>
    public Start NextStart()
    {
        var generation = ReadNumber(StartFile) + 1;
        WriteNumber(StartFile, generation);
        return new((uint)generation, ReadNumber(SequenceFile));
    }

    public void NoteSequence(long sequence) => WriteNumber(SequenceFile, sequence);

    private static long ReadNumber(string path) =>
        long.TryParse(Disk.Text(path), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : 0;

    // Twenty digits, written over the last ones: within one sector, so a power cut leaves either; and a full volume has room for it.
    private void WriteNumber(string path, long number)
    {
        var digits = System.Text.Encoding.ASCII.GetBytes(number.ToString("D20", CultureInfo.InvariantCulture));
        if (Disk.LengthOf(path) == digits.Length)
        {
            using var kept = new FileStream(path, FileMode.Open, FileAccess.Write);
            kept.Write(digits);
            kept.Flush(flushToDisk: true);
            return;
        }
        var temporary = $"{Temporary}/{System.IO.Path.GetFileName(path)}";
        using (var file = new FileStream(temporary, FileMode.Create, FileAccess.Write))
        {
            file.Write(digits);
            file.Flush(flushToDisk: true);
        }
        File.Move(temporary, path, overwrite: true);
        Posix.FlushFolder(Own);
    }
}
