using System.Globalization;

namespace Gateway.Storage;

/// <summary>
/// Where removed folders go: out of sight in one step, and out of existence a day later, so that an operator can undo a mistake.
/// </summary>
internal sealed class Trash(string folder, TimeProvider clock)
{
    /// <summary>How long what was removed can be brought back.</summary>
    private static readonly TimeSpan Retention = TimeSpan.FromHours(24);

    private const string HourFormat = "yyyyMMddHH";

    private long _number;

    /// <summary>Takes a folder away whole; one that is not there is left at that.</summary>
    public void Take(string path)
    {
        if (!Disk.HasFolder(path)) return;
        var now = clock.GetUtcNow();
        var hour = Path.Combine(folder, now.ToString(HourFormat, CultureInfo.InvariantCulture));
        Directory.CreateDirectory(hour);
        string place;
        // The number starts again with the process, and the clock may be back at a moment that it has shown before.
        do place = Path.Combine(hour, $"{now.ToUnixTimeMilliseconds()}-{Interlocked.Increment(ref _number)}");
        while (Disk.HasFolder(place));
        Directory.Move(path, place);
    }

    /// <summary>Removes what has been here for a day.</summary>
    public void Empty()
    {
        var oldest = (clock.GetUtcNow() - Retention).ToString(HourFormat, CultureInfo.InvariantCulture);
        foreach (var hour in Disk.FoldersIn(folder))
        {
            if (string.CompareOrdinal(Path.GetFileName(hour), oldest) < 0) Directory.Delete(hour, recursive: true);
        }
    }
}
