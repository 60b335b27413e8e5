using System.Collections.Immutable;
using System.Text;

namespace Gateway.Storage;

/// <summary>An object with older records of a log. It never changes.</summary>
/// <param name="First">The number of its first record.</param>
/// <param name="Last">The number of its last record.</param>
/// <param name="Name">The last part of its key.</param>
/// <param name="IsSnapshot">
/// Whether it has, of all records from the first to <paramref name="Last"/>, only what still matters (<see cref="LogFold"/>).
/// </param>
internal readonly record struct LogPart(long First, long Last, string Name, bool IsSnapshot);

/// <summary>
/// The head of a repository's log, one object in the bucket: a change is made when a head with it was written in place of the head that the
/// change rests on. No two heads have the same bytes, because each has the random id of its last change; so no ETag ever returns.
/// </summary>
/// <param name="Sequence">The number of the last change; 0 when there was none.</param>
/// <param name="Mirrored">The links of all changes up to this one are in distribution's layout in the bucket.</param>
/// <param name="Recent">The ids of the last changes, at most <see cref="MostRecent"/>, the last one at the end.</param>
/// <param name="Tail">The last records, at most <see cref="MostInTail"/>.</param>
/// <param name="Parts">Where the records before the tail are, in their order; the first may be a snapshot.</param>
internal sealed record LogHead(
    long Sequence, long Mirrored, ImmutableArray<Guid> Recent, ImmutableArray<LogRecord> Tail, ImmutableArray<LogPart> Parts)
{
    /// <summary>
    /// Ids in a head: 16 KiB. Chosen: a replica whose request was not answered finds its change unless more changes followed, which takes
    /// 10 s at the highest rate that was measured on Ceph (93 commits per second, each with one change).
    /// </summary>
    public const int MostRecent = 1024;

    /// <summary>Records in a head. Chosen: each commit writes the head, so it stays at some 100 KiB.</summary>
    public const int MostInTail = 128;

    /// <summary>Bytes of the records in a head. Chosen, see <see cref="MostInTail"/>.</summary>
    public const int MostTailBytes = 256 << 10;

    /// <summary>
    /// The longest object of a log, in bytes; a longer one is not read. A snapshot has some 150 bytes for each link: room for a million.
    /// </summary>
    public const int MaxObject = 256 << 20;

    /// <summary>The number of the format of heads and parts. A newer one is refused.</summary>
    private const int Format = 1;

    /// <summary>
    /// The number of the format of heads with a <see cref="Fence"/>. A version that does not know collections refuses it: it could link
    /// content that a collection removes.
    /// </summary>
    private const int FencedFormat = 2;

    private const uint Magic = 0x4847_5747; // "GWGH"

    /// <summary>The head of a repository that has none.</summary>
    public static readonly LogHead Empty = new(0, 0, [], [], []);

    /// <summary>
    /// The number of the last collection that replaced the head (<see cref="CollectionState.Run"/>), after it had condemned content and
    /// before it removed any. A gateway that links content on top of this head must know what that collection condemned. 0 for none.
    /// </summary>
    public long Fence { get; init; }

    /// <summary>The number of the first record in the tail; one more than <see cref="Sequence"/> when the tail is empty.</summary>
    public long TailFirst => Tail.IsEmpty ? Sequence + 1 : Tail[0].Sequence;

    /// <summary>The id of a change; null when the change is older than the ids, or later than the head.</summary>
    public Guid? IdOf(long sequence)
    {
        var at = Recent.Length - 1 - (Sequence - sequence);
        return at >= 0 && at < Recent.Length ? Recent[(int)at] : null;
    }

    /// <summary>This head with more records at its end.</summary>
    public LogHead With(IReadOnlyList<LogRecord> records)
    {
        ImmutableArray<Guid> recent = [.. Recent, .. records.Select(static r => r.Id)];
        return this with
        {
            Sequence = Sequence + records.Count, Tail = [.. Tail, .. records], Recent = recent[Math.Max(0, recent.Length - MostRecent)..],
        };
    }

    public byte[] ToBytes()
    {
        using var bytes = new MemoryStream();
        using var to = new BinaryWriter(bytes, Encoding.UTF8);
        to.Write(Magic);
        to.Write(Fence > 0 ? FencedFormat : Format);
        if (Fence > 0) to.Write(Fence);
        to.Write(Sequence);
        to.Write(Mirrored);
        to.Write(Recent.Length);
        foreach (var id in Recent) to.Write(id.ToByteArray());
        to.Write(Parts.Length);
        foreach (var part in Parts)
        {
            to.Write(part.First);
            to.Write(part.Last);
            to.Write(part.Name);
            to.Write(part.IsSnapshot);
        }
        WriteRecords(to, Tail);
        return bytes.ToArray();
    }

    /// <summary>Throws <see cref="NewerRecordException"/> for a head that this version cannot have written.</summary>
    public static LogHead Read(ReadOnlyMemory<byte> bytes)
    {
        using var from = Open(bytes, FencedFormat, out var format);
        var fence = format == FencedFormat ? from.ReadInt64() : 0;
        var (sequence, mirrored) = (from.ReadInt64(), from.ReadInt64());
        var recent = ReadMany(from, static each => new Guid(each.ReadBytes(16)));
        var parts = ReadMany(from, static e => new LogPart(e.ReadInt64(), e.ReadInt64(), e.ReadString(), e.ReadBoolean()));
        return new(sequence, mirrored, recent, ReadMany(from, LogRecord.Read), parts) { Fence = fence };
    }

    /// <summary>The object of a part.</summary>
    public static byte[] PartOf(IReadOnlyCollection<LogRecord> records)
    {
        using var bytes = new MemoryStream();
        using var to = new BinaryWriter(bytes, Encoding.UTF8);
        to.Write(Magic);
        to.Write(Format);
        WriteRecords(to, records);
        return bytes.ToArray();
    }

    /// <summary>The records of a part. Throws as <see cref="Read"/>.</summary>
    public static ImmutableArray<LogRecord> ReadPart(ReadOnlyMemory<byte> bytes)
    {
        using var from = Open(bytes, Format, out _);
        return ReadMany(from, LogRecord.Read);
    }

    private static void WriteRecords(BinaryWriter to, IReadOnlyCollection<LogRecord> records)
    {
        to.Write(records.Count);
        foreach (var record in records) record.Write(to);
    }

    private static BinaryReader Open(ReadOnlyMemory<byte> bytes, int newest, out int format)
    {
        var from = new BinaryReader(new MemoryStream(bytes.ToArray()), Encoding.UTF8);
        try
        {
            if (from.ReadUInt32() != Magic) throw new InvalidDataException("expected an object of a log, got other bytes");
            format = from.ReadInt32();
            if (format < Format || format > newest)
                throw new NewerRecordException(
                    $"expected a log of format {newest} at most, got {format}; run the version of the gateway that wrote it",
                    new InvalidDataException("unknown format"));
            return from;
        }
        catch
        {
            from.Dispose();
            throw;
        }
    }

    // One by one: a wrong count would allocate any amount of memory at once.
    private static ImmutableArray<T> ReadMany<T>(BinaryReader from, Func<BinaryReader, T> read)
    {
        var list = ImmutableArray.CreateBuilder<T>();
        for (var remaining = from.ReadInt32(); remaining > 0; remaining--) list.Add(read(from));
        return list.ToImmutable();
    }
}
