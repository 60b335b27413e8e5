using System.Globalization;
using System.Text;

namespace Gateway.Storage;

/// <summary>How long removed content can be restored.</summary>
/// <param name="MaxAge">From the removal.</param>
/// <param name="MaxBytes">Disk space of removed content; the oldest goes first.</param>
public sealed record TrashLimits(TimeSpan MaxAge, long MaxBytes);

/// <summary>A removed folder.</summary>
/// <param name="Place">Where it is now.</param>
/// <param name="From">Its former path below the volume; empty for a folder of an earlier version, which noted none.</param>
/// <param name="Bytes">Disk space.</param>
internal readonly record struct TrashEntry(DateTimeOffset At, string Place, string From, long Bytes);

/// <summary>
/// The place of removed folders: one step moves a folder here, where it stays until it is too old or the trash is too large. An operator
/// can undo a mistake in that time. Each hour has a folder, with a file that notes where the folders in it came from. The notes are not
/// flushed: a power cut may lose the latest, and these folders can then be restored by hand only.
/// </summary>
internal sealed class Trash(string folder, string volume, TimeProvider clock) : IDisposable
{
    private const string HourFormat = "yyyyMMddHH";
    private const string NotesName = "notes";

    /// <summary>The defaults of the configuration, until it is read.</summary>
    private volatile TrashLimits _limits = new(TimeSpan.FromHours(24), 10L << 30);

    private readonly Lock _lock = new();
    private readonly Lock _emptying = new();
    private (string Hour, FileStream File)? _notes;
    private Task _trimming = Task.CompletedTask;
    private long _number;
    private long _bytes = -1;

    /// <summary>How long removed content stays.</summary>
    public TrashLimits Limits { set => _limits = value; }

    /// <summary>Disk space of the trash; 0 until it was counted.</summary>
    public long Bytes => Math.Max(0, Volatile.Read(ref _bytes));

    /// <summary>Moves a folder here; does nothing when it does not exist.</summary>
    /// <param name="bytes">The disk space of the folder.</param>
    public void Take(string path, long bytes = DiskCost.Link)
    {
        if (!Disk.HasFolder(path)) return;
        var now = clock.GetUtcNow();
        var hour = Path.Combine(folder, now.ToString(HourFormat, CultureInfo.InvariantCulture));
        Directory.CreateDirectory(hour);
        string place;
        // The number starts again with the process, and the clock may show an earlier moment again.
        do place = Path.Combine(hour, $"{now.ToUnixTimeMilliseconds()}-{Interlocked.Increment(ref _number)}");
        while (Disk.HasFolder(place));
        Note(hour, $"{Path.GetFileName(place)}\t{bytes}\t{Path.GetRelativePath(volume, path)}\n");
        Directory.Move(path, place);
        if (Interlocked.Add(ref _bytes, bytes) > _limits.MaxBytes) Soon(Empty);
    }

    /// <summary>The removed folders, the latest hour first; throws <see cref="UnreadableException"/>.</summary>
    public IEnumerable<TrashEntry> Entries() => Hours().Reverse().SelectMany(hour => In(hour).Reverse());

    /// <summary>
    /// The removed folders that have a note, the latest first. The notes are read from their end, as far as the caller goes: an hour can
    /// have a million.
    /// </summary>
    public IEnumerable<TrashEntry> Latest()
    {
        foreach (var hour in Hours().Reverse())
        {
            foreach (var line in BackwardLines.Of($"{hour}/{NotesName}"))
            {
                if (line.Split('\t') is not [var name, var size, var from]) continue;
                if (!long.TryParse(size, CultureInfo.InvariantCulture, out var bytes)) continue;
                var place = $"{hour}/{name}";
                if (Disk.HasFolder(place)) yield return new(AtOf(place), place, from, bytes);
            }
        }
    }

    /// <summary>Deletes what is too old or too much. Returns the bytes that were deleted.</summary>
    public long Empty() => Delete(_limits.MaxAge, _limits.MaxBytes);

    /// <summary>Deletes everything. Returns the bytes that were deleted.</summary>
    public long EmptyAll() => Delete(TimeSpan.Zero, 0);

    /// <summary>Deletes the oldest folders until this many bytes are deleted. Returns the bytes that were deleted.</summary>
    public long Free(long bytes) => Delete(TimeSpan.MaxValue, Math.Max(0, Bytes - bytes));

    /// <summary>The bytes that <see cref="Empty"/> would delete.</summary>
    public long Expired()
    {
        var oldest = clock.GetUtcNow() - _limits.MaxAge;
        return Entries().Where(entry => entry.At < oldest).Sum(static entry => entry.Bytes);
    }

    /// <summary>Deletes one folder, whose content was restored.</summary>
    public void Remove(TrashEntry entry)
    {
        lock (_emptying) TryDelete(entry);
    }

    /// <summary>Moves the content of a folder out while the trash is not emptied, then deletes the folder.</summary>
    /// <param name="move">Moves the content; false when it cannot, which keeps the folder.</param>
    /// <returns>False when the folder is gone, or was kept.</returns>
    public bool TakeOut(TrashEntry entry, Func<bool> move)
    {
        lock (_emptying)
        {
            if (!Disk.HasFolder(entry.Place) || !move()) return false;
            TryDelete(entry);
            return true;
        }
    }

    // False when it is gone already: an operator deleted it, or an earlier emptying, which has subtracted its bytes.
    private bool TryDelete(TrashEntry entry)
    {
        try
        {
            Directory.Delete(entry.Place, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            return false;
        }
        Interlocked.Add(ref _bytes, -entry.Bytes);
        return true;
    }

    private long Delete(TimeSpan maxAge, long maxBytes)
    {
        lock (_emptying)
        {
            var oldest = maxAge == TimeSpan.MaxValue ? DateTimeOffset.MinValue : clock.GetUtcNow() - maxAge;
            var hours = Hours().Select(hour => (Hour: hour, Entries: In(hour))).ToArray();
            var bytes = hours.Sum(static hour => hour.Entries.Sum(static entry => entry.Bytes));
            Volatile.Write(ref _bytes, bytes);
            var deleted = 0L;
            foreach (var (hour, entries) in hours)
            {
                var gone = 0;
                foreach (var entry in entries)
                {
                    if (entry.At > oldest && bytes <= maxBytes) break;
                    if (TryDelete(entry)) deleted += entry.Bytes;
                    (bytes, gone) = (bytes - entry.Bytes, gone + 1);
                }
                if (gone == entries.Length && IsOver(hour) && Disk.HasFolder(hour)) Directory.Delete(hour, recursive: true);
            }
            return deleted;
        }
    }

    /// <summary>Deletes the oldest folders in the background until this many bytes are deleted.</summary>
    public void FreeSoon(long bytes) => Soon(() => Free(bytes));

    private void Soon(Func<long> delete)
    {
        lock (_lock)
        {
            if (_trimming.IsCompleted) _trimming = Task.Run(delete);
        }
    }

    // Folders can still be added to the current hour, and to the one before it while a removal runs.
    private bool IsOver(string hour) => string.CompareOrdinal(
        Path.GetFileName(hour), clock.GetUtcNow().AddHours(-1).ToString(HourFormat, CultureInfo.InvariantCulture)) < 0;

    private IEnumerable<string> Hours() => Disk.FoldersIn(folder).Order(StringComparer.Ordinal);

    private static TrashEntry[] In(string hour)
    {
        var notes = new Dictionary<string, (long Bytes, string From)>(StringComparer.Ordinal);
        foreach (var line in (Disk.Text($"{hour}/{NotesName}") ?? "").Split('\n'))
        {
            if (line.Split('\t') is [var name, var size, var from] && long.TryParse(size, CultureInfo.InvariantCulture, out var bytes))
                notes[name] = (bytes, from);
        }
        return [.. Disk.FoldersIn(hour).Select(place =>
        {
            var (bytes, from) = notes.GetValueOrDefault(Path.GetFileName(place), (DiskCost.Link, ""));
            return new TrashEntry(AtOf(place), place, from, bytes);
        }).OrderBy(static entry => entry.At).ThenBy(static entry => entry.Place, StringComparer.Ordinal)];
    }

    private static DateTimeOffset AtOf(string place) =>
        UnixTime.TryParse(Path.GetFileName(place).Split('-')[0], out var at) ? at : DateTimeOffset.MinValue;

    private void Note(string hour, string line)
    {
        lock (_lock)
        {
            try
            {
                Append(hour, line);
            }
            catch (IOException)
            {
                // The volume is full. The folder can be restored by hand, and its removal makes room.
            }
        }
    }

    private void Append(string hour, string line)
    {
        if (_notes is not { } open || open.Hour != hour || !Disk.HasFile(open.File.Name))
        {
            _notes?.File.Dispose();
            var file = $"{hour}/{NotesName}";
            Disk.RemoveLink(file);
            _notes = open = (hour, new(file, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0));
        }
        open.File.Write(Encoding.UTF8.GetBytes(line));
    }

    public void Dispose()
    {
        lock (_lock) _notes?.File.Dispose();
    }
}
