using System.Globalization;
using System.Text;

namespace Gateway.Storage;

/// <summary>
/// <c>gateway/decisions/</c>: the latest records of decisions, one line each, in a ring of files. They may be lost without harm: nothing is
/// flushed, and records that cannot be written are omitted.
/// </summary>
public sealed class DecisionRing
{
    /// <summary>Bytes of one file of the ring, and the number of files: 16 MiB in total, some 8,000 records of 2 KiB. Chosen.</summary>
    private const long SegmentBytes = 1 << 20;

    private const int Segments = 16;

    private readonly string _folder;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Place> _places = new(StringComparer.Ordinal);
    private readonly Queue<(int Segment, string Id)> _order = new();
    private int _segment;
    private long _length;

    private readonly record struct Place(int Segment, long Offset, int Length);

    /// <summary>Opens the decisions in a folder, or starts an empty list.</summary>
    public DecisionRing(string folder)
    {
        _folder = folder;
        try
        {
            Directory.CreateDirectory(folder);
            foreach (var segment in Directory.GetFiles(folder, "*.jsonl").Select(Number).Where(n => n >= 0).Order()) Read(segment);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Earlier decisions are then unknown.
        }
    }

    /// <summary>Stores a record, which must not contain a line break.</summary>
    public void Append(string id, ReadOnlySpan<byte> record)
    {
        byte[] line = [.. Encoding.ASCII.GetBytes(id), (byte)' ', .. record, (byte)'\n'];
        lock (_lock)
        {
            try
            {
                if (_length + line.Length > SegmentBytes) Turn();
                Disk.RemoveLink(PathOf(_segment));
                _ = Disk.HasFile(PathOf(_segment)); // throws for a named pipe or device, which could block
                using var file = File.OpenHandle(PathOf(_segment), FileMode.OpenOrCreate, FileAccess.Write);
                RandomAccess.Write(file, line, _length);
                Note(id, new(_segment, _length + id.Length + 1, record.Length));
                _length += line.Length;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The volume accepts no writes. A decision without a stored record is better than no decision.
            }
        }
    }

    /// <summary>Reads a record; null when it is no longer stored.</summary>
    public byte[]? Find(string id)
    {
        lock (_lock)
        {
            if (!_places.TryGetValue(id, out var place)) return null;
            try
            {
                using var file = Disk.Open(PathOf(place.Segment));
                if (file is null) return null;
                var bytes = new byte[place.Length];
                return RandomAccess.Read(file, bytes, place.Offset) == bytes.Length ? bytes : null;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return null;
            }
        }
    }

    private void Turn()
    {
        (_segment, _length) = (_segment + 1, 0);
        Drop(_segment - Segments);
    }

    private void Drop(int upTo)
    {
        while (_order.TryPeek(out var oldest) && oldest.Segment <= upTo) _places.Remove(_order.Dequeue().Id);
        if (upTo >= 0 && Disk.HasFile(PathOf(upTo))) File.Delete(PathOf(upTo));
    }

    private void Read(int segment)
    {
        Drop(segment - Segments);
        (_segment, _length) = (segment, 0);
        var bytes = Disk.Bytes(PathOf(segment), 2 * SegmentBytes) ?? [];
        for (var at = 0; at < bytes.Length;)
        {
            var end = Array.IndexOf(bytes, (byte)'\n', at);
            var space = Array.IndexOf(bytes, (byte)' ', at);
            // The next record overwrites a torn line.
            if (end < 0 || space < 0 || space > end) return;
            Note(Encoding.ASCII.GetString(bytes, at, space - at), new(segment, space + 1, end - space - 1));
            _length = at = end + 1;
        }
    }

    private void Note(string id, Place place)
    {
        _places[id] = place;
        _order.Enqueue((place.Segment, id));
    }

    private string PathOf(int segment) => $"{_folder}/{segment.ToString("D10", CultureInfo.InvariantCulture)}.jsonl";

    private static int Number(string path) =>
        int.TryParse(Path.GetFileNameWithoutExtension(path), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : -1;
}
