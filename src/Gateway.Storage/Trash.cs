using System.Globalization;

namespace Gateway.Storage;

/// <summary>
/// The place of removed folders: one step moves a folder here, and a day later it is deleted. An operator can undo a mistake in that time.
/// </summary>
internal sealed class Trash(string folder, TimeProvider clock)
{
    /// <summary>How long removed folders can be restored.</summary>
    private static readonly TimeSpan Retention = TimeSpan.FromHours(24);

    private const string HourFormat = "yyyyMMddHH";

    private long _number;

    /// <summary>Moves a folder here; does nothing when it does not exist.</summary>
    public void Take(string path)
    {
        if (!Disk.HasFolder(path)) return;
        var now = clock.GetUtcNow();
        var hour = Path.Combine(folder, now.ToString(HourFormat, CultureInfo.InvariantCulture));
        Directory.CreateDirectory(hour);
        string place;
        // The number starts again with the process, and the clock may show an earlier moment again.
        do place = Path.Combine(hour, $"{now.ToUnixTimeMilliseconds()}-{Interlocked.Increment(ref _number)}");
        while (Disk.HasFolder(place));
        Directory.Move(path, place);
    }

    /// <summary>Deletes folders that have been here for a day.</summary>
    public void Empty()
    {
        var oldest = (clock.GetUtcNow() - Retention).ToString(HourFormat, CultureInfo.InvariantCulture);
        foreach (var hour in Disk.FoldersIn(folder))
        {
            if (string.CompareOrdinal(Path.GetFileName(hour), oldest) < 0) Directory.Delete(hour, recursive: true);
        }
    }
}
