using System.Globalization;

namespace Gateway.Storage;

/// <summary>The notes of earlier starts on a volume.</summary>
/// <param name="Generation">The number of this process start.</param>
/// <param name="Sequence">The number of the last change that was durable when a segment was last ended.</param>
internal readonly record struct Start(uint Generation, long Sequence);

/// <summary>The folders of a volume besides its roots, and the few notes in them.</summary>
/// <param name="Path">The absolute path.</param>
/// <param name="Durability">The caller disposes of it.</param>
internal sealed record Folders(string Path, Durability Durability, ILogger Logger)
{
    /// <summary>The number of the format that this code writes. A volume with a higher number is refused.</summary>
    private const int Format = 1;

    public string Own => $"{Path}/gateway";

    public string Temporary => $"{Own}/tmp";

    public string Journal => $"{Own}/journal";

    public string Uploads => $"{Own}/uploads";

    public string Fetches => $"{Own}/fetches";

    public string Trash => $"{Own}/trash";

    public string Decisions => $"{Own}/decisions";

    public string Jobs => $"{Own}/jobs";

    public string Damaged => $"{Own}/damaged";

    public string Index => $"{Own}/index";

    /// <summary>The copies of logs in a bucket (<see cref="Root.IsShared"/>).</summary>
    public string Shared => $"{Own}/shared";

    private string StartFile => $"{Own}/start";

    private string SequenceFile => $"{Own}/sequence";

    /// <summary>The file of <see cref="LatestMoment"/>, as Unix milliseconds.</summary>
    public string LatestMomentFile => $"{Own}/latest-moment";

    /// <summary>The latest moment that this volume has seen, to the millisecond; the minimum value when it has seen none.</summary>
    public DateTimeOffset LatestMoment
    {
        get => UnixTime.TryParse(ReadNumber(LatestMomentFile).ToString(CultureInfo.InvariantCulture), out var at) ? at : default;
        set => WriteNumber(LatestMomentFile, value.ToUnixTimeMilliseconds());
    }

    /// <summary>Whether a registry has written here before, so that there may be content to serve.</summary>
    private bool WasUsed => Disk.HasFolder($"{Own}/journal") || Disk.HasFolder($"{Path}/docker/registry/v2");

    /// <summary>
    /// Creates missing folders. A volume that was used before and is not writable now is opened without writes (<see
    /// cref="Durability.Ended"/>). Throws <see cref="IOException"/> with one line when the volume cannot be used.
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
            throw new IOException(
                $"storage.path {path} cannot be written: {e.Message.TrimEnd('.')}; give the folder to the user of the gateway, or write "
                + "another path", e);
        }
    }

    private void MakeOwn()
    {
        if (Posix.WhyNotWritable(Disk.HasFolder(Own) ? Own : Path) is { } why) throw new IOException(why);
        string[] own = [Own, Temporary, Journal, Uploads, Fetches, Trash];
        foreach (var folder in own) Directory.CreateDirectory(folder);
    }

    /// <summary>Does the writes of a start. If they fail on a volume that was used before, the volume is served without writes.</summary>
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
        $"the volume was not writable when the gateway started ({why}); make it writable and restart the gateway";

    /// <summary>
    /// Locks the volume for this process, and removes unfinished files of the last one. Null when there is no lock file and none can be
    /// created.
    /// </summary>
    public FileStream? TakeLock()
    {
        var path = $"{Own}/lock";
        FileStream? file = null;
        Write(() => file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite));
        // A gateway that writes excludes gateways that only read, and they exclude it.
        if (file is null && Disk.HasFile(path)) file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        try
        {
            // If file locking is disabled, FileShare excludes no process; this lock does (tested).
            file?.Lock(0, 1);
        }
        catch (IOException e)
        {
            file?.Dispose();
            throw new IOException($"storage.path {Path} is in use by another gateway; stop it, or configure another path", e);
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
            throw new IOException(
                $"expected format {Format} or lower in storage.path {Path}, got {found}; run the newer gateway that wrote it");
        if (found == 0) Write(() => WriteNumber($"{Own}/format", Format));
    }

    /// <summary>
    /// Counts this start, durably: a writable lookup index must never get the same number twice (<see cref="Durability.Ended"/>).
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

    // Twenty digits, overwriting the previous ones within one sector: a power cut leaves the old or the new number, and a full volume has
    // room for it.
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
