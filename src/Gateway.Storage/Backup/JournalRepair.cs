using System.Globalization;

namespace Gateway.Storage;

/// <summary>A place in a segment of the journal that cannot be read.</summary>
/// <param name="Segment">The file's name.</param>
/// <param name="Offset">Where it begins, in bytes.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="After">The number of the last readable change before it, or of the last change before the segment began.</param>
/// <param name="Before">The number of the first readable change after it; null if nothing follows.</param>
public sealed record LostChanges(string Segment, int Offset, int Length, long After, long? Before)
{
    /// <summary>
    /// The largest number of changes that can be lost; null if it is not known, because nothing follows. Changes of cached content have
    /// numbers too, and are not in the journal.
    /// </summary>
    public long? Count => Before - After - 1;
}

/// <summary>What a repair of the journal did, or would do.</summary>
/// <param name="Readable">The number of changes that can be read, and are applied at the next start.</param>
/// <param name="Lost">Each place that cannot be read.</param>
/// <param name="Repositories">The repositories of readable changes, which are the ones to look at.</param>
/// <param name="SetAside">The folder with the segments as they were; null if nothing was changed.</param>
public sealed record RepairReport(
    int Readable, IReadOnlyList<LostChanges> Lost, IReadOnlyList<string> Repositories, string? SetAside);

/// <summary>
/// Repairs the journal of a volume that no gateway uses. It keeps every record that can be read, leaves out what cannot, and sets the
/// original segments aside, so that nothing is deleted.
/// </summary>
public static class JournalRepair
{
    /// <summary>Reads the journal, and repairs it if it is damaged.</summary>
    /// <param name="volume">The folder of the volume (<c>storage.path</c>).</param>
    /// <param name="write">Whether to repair; otherwise nothing is changed.</param>
    /// <exception cref="IOException">
    /// A gateway uses the volume, a file cannot be read or written, or a newer version wrote a change, which a repair would drop.
    /// </exception>
    public static RepairReport Run(string volume, bool write, TimeProvider clock)
    {
        if (!Disk.HasFolder($"{volume}/gateway"))
            throw new IOException($"expected a volume in {volume}, got none; give the configuration of the gateway with --config");
        var folders = Folders.Make(volume, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        using var durability = folders.Durability;
        using var held = folders.TakeLock();
        return Run(folders, write, clock);
    }

    private static RepairReport Run(Folders folders, bool write, TimeProvider clock)
    {
        var reading = new Reading();
        foreach (var segment in Journal.Segments(folders.Journal)) reading.Read(segment);
        // An unreadable end is what a kill leaves of a batch that was never acknowledged; the next start accepts it as it is.
        if (reading.Lost.Count == 0 || !IsDamaged(folders.Journal)) return new(reading.Readable, [], [.. reading.Repositories], null);
        var aside = write ? SetAside(folders, reading.Repaired, clock) : null;
        return new(reading.Readable, reading.Lost, [.. reading.Repositories], aside);
    }

    /// <summary>Reads the segments in their order, and notes what can be read.</summary>
    private sealed class Reading
    {
        private long _last;

        public int Readable { get; private set; }

        public List<LostChanges> Lost { get; } = [];

        public SortedSet<string> Repositories { get; } = new(StringComparer.Ordinal);

        /// <summary>Each segment, with the bytes of its readable records.</summary>
        public List<(string Segment, byte[] Bytes)> Repaired { get; } = [];

        public void Read(string segment)
        {
            // The name of a segment is the number of its first change.
            if (long.TryParse(Path.GetFileNameWithoutExtension(segment), CultureInfo.InvariantCulture, out var first))
                _last = Math.Max(_last, first - 1);
            var bytes = Disk.Bytes(segment, Array.MaxLength) ?? [];
            using var kept = new MemoryStream();
            for (var offset = 0; !Journal.IsEnd(bytes, offset);)
            {
                var from = offset;
                if (Journal.TryReadWhole(bytes, from, out var record, out offset))
                {
                    kept.Write(bytes, from, offset - from);
                    Note(record);
                    continue;
                }
                offset = NextRecord(bytes, from + 1);
                Lost.Add(new(Path.GetFileName(segment), from, offset - from, _last, null));
            }
            Repaired.Add((segment, kept.ToArray()));
        }

        private void Note(JournalRecord record)
        {
            if (Lost is [.., { Before: null } open]) Lost[^1] = open with { Before = record.Sequence };
            (Readable, _last) = (Readable + 1, record.Sequence);
            Repositories.Add(record.Repository);
        }
    }

    private static bool IsDamaged(string journal)
    {
        try
        {
            foreach (var record in Journal.Read(journal)) _ = record;
            return false;
        }
        catch (InvalidDataException)
        {
            return true;
        }
    }

    private static int NextRecord(byte[] bytes, int from)
    {
        for (var at = from; at < bytes.Length; at++)
        {
            if (Journal.TryReadWhole(bytes, at, out _, out _)) return at;
        }
        return bytes.Length;
    }

    private static string SetAside(Folders folders, List<(string Segment, byte[] Bytes)> repaired, TimeProvider clock)
    {
        var aside = $"{folders.Own}/set-aside/journal-{clock.GetUtcNow():yyyyMMddTHHmmssZ}";
        Directory.CreateDirectory(aside);
        foreach (var (segment, _) in repaired) File.Copy(segment, $"{aside}/{Path.GetFileName(segment)}", overwrite: true);
        // The copies are durable before the first original is replaced: a power cut loses neither.
        folders.Durability.FlushAll();
        var files = new SmallFiles(folders.Temporary, folders.Durability);
        foreach (var (segment, bytes) in repaired) files.Write(segment, bytes, flush: true);
        folders.Durability.FlushAll();
        // What was lost may have been applied to the copy of a log in a bucket; the next start makes the copy again.
        if (Disk.HasFolder(folders.Shared)) Directory.Delete(folders.Shared, recursive: true);
        return aside;
    }
}
