using System.Globalization;

namespace Gateway.Storage;

/// <summary>What a volume noted before this start.</summary>
/// <param name="Generation">Number of this process start.</param>
/// <param name="Sequence">The last change that was durable when a segment was last ended.</param>
internal readonly record struct Start(uint Generation, long Sequence);

/// <summary>The folders of a volume besides its roots, and the few notes in them.</summary>
/// <param name="Path">Absolute.</param>
/// <param name="Durability">For the caller to dispose of.</param>
internal sealed record Folders(string Path, Durability Durability, ILogger Logger)
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

    /// <summary>Whether a registry has written here before: then there may be something to serve.</summary>
    private bool WasUsed => Disk.HasFolder($"{Own}/journal") || Disk.HasFolder($"{Path}/docker/registry/v2");

    /// <summary>
    /// Makes what is missing. A volume that was used before and takes no writes is opened without them (<see cref="Durability.Ended"/>).
    /// Throws <see cref="IOException"/> with one line when the volume cannot be used.
    /// </summary>
    public static Folders Make(string path, ILogger logger)
    {
        Folders? folders = null;
        try
        {
            var full = System.IO.Path.GetFullPath(path).TrimEnd('/');
            Directory.CreateDirectory(full);
            folders = new Folders(full, new Durability(full, logger), logger);
            folders.Write(folders.MakeOwn);
            return folders;
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            folders?.Durability.Dispose();
            throw new IOException($"storage.path {path} cannot be written: {e.Message}", e);
        }
    }

    private void MakeOwn()
    {
        if (Posix.WhyNotWritable(Disk.HasFolder(Own) ? Own : Path) is { } why) throw new IOException(why);
        string[] own = [Own, Temporary, Journal, Uploads, Fetches, Trash];
        foreach (var folder in own) Directory.CreateDirectory(folder);
    }

    /// <summary>Does what a start writes; when it fails on a volume that was used before, the volume is served without writes.</summary>
    private void Write(Action write)
    {
        if (Durability.Ended is not null) return;
        try
        {
            write();
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException && WasUsed)
        {
            Durability.EndWrites(WhyNot(Disk.WhyOf(e)), WhyNot(e.Message));
            Log.OpenedWithoutWrites(Logger, Durability.EndedDetails!);
        }
    }

    private static string WhyNot(string why) =>
        $"the volume took no writes when the gateway started ({why}); make it writable and restart the gateway";

    /// <summary>
    /// Takes the volume for this process, and removes what the last one left half done. Null where there is no lock and none can be made.
    /// </summary>
    public FileStream? TakeLock()
    {
        var path = $"{Own}/lock";
        FileStream? file = null;
        Write(() => file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite));
        // A gateway that writes keeps out those that only read, and they keep it out.
        if (file is null && Disk.HasFile(path)) file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        try
        {
            // With file locking switched off, FileShare keeps nobody out; this does (tried).
            file?.Lock(0, 1);
        }
        catch (IOException e)
        {
            file?.Dispose();
            throw new IOException($"storage.path {Path} is in use by another gateway; stop it, or give this one a path of its own", e);
        }
        CheckFormat();
        Write(Clear);
        return file;
    }

    private void Clear()
    {
        foreach (var leftover in new DirectoryInfo(Temporary).EnumerateFileSystemInfos())
        {
            if (leftover is DirectoryInfo folder) folder.Delete(recursive: true);
            else leftover.Delete();
        }
    }

    private void CheckFormat()
    {
        var found = ReadNumber($"{Own}/format");
        if (found > Format)
            throw new IOException($"storage.path {Path} has format {found}, written by a newer gateway; this one knows {Format}");
        if (found == 0) Write(() => WriteNumber($"{Own}/format", Format));
    }

    /// <summary>
    /// Counts this start, durably: the number must never be given twice to an index that is written (<see cref="Durability.Ended"/>).
    /// </summary>
    public Start NextStart()
    {
        var generation = ReadNumber(StartFile) + 1;
        Write(() => WriteNumber(StartFile, generation));
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
        if (Disk.LengthOf(path) == digits.Length && !Disk.IsLink(path))
        {
            using var kept = File.OpenHandle(path, FileMode.Open, FileAccess.Write);
            RandomAccess.Write(kept, digits, 0);
            Durability.Flush(kept, path);
            return;
        }
        var temporary = $"{Temporary}/{System.IO.Path.GetFileName(path)}";
        using (var file = File.OpenHandle(temporary, FileMode.Create, FileAccess.Write))
        {
            RandomAccess.Write(file, digits, 0);
            Durability.Flush(file, temporary);
        }
        File.Move(temporary, path, overwrite: true);
        Durability.FlushFolder(Own);
    }
}
