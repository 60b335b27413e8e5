using System.Buffers.Binary;
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

    /// <summary>
    /// Precedes the checksum at the end of an object. A version that does not know it reads no further than the last record.
    /// </summary>
    private const uint SumMagic = 0x5347_5747; // "GWGS"

    private const int SumLength = 8;

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

    public byte[] ToBytes() => Write(Fence > 0 ? FencedFormat : Format, to =>
    {
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
    });

    /// <summary>
    /// Reads a head. Throws <see cref="NewerRecordException"/> for one that a newer version wrote, and <see cref="InvalidDataException"/>
    /// for one that no version wrote.
    /// </summary>
    public static LogHead Read(ReadOnlyMemory<byte> bytes) => Read(bytes, FencedFormat, static (from, format) =>
    {
        var fence = format == FencedFormat ? from.ReadInt64() : 0;
        var (sequence, mirrored) = (from.ReadInt64(), from.ReadInt64());
        var recent = JournalRecord.ReadList(from, static each => new Guid(each.ReadBytes(16)));
        var parts = JournalRecord.ReadList(from, static e => new LogPart(e.ReadInt64(), e.ReadInt64(), e.ReadString(), e.ReadBoolean()));
        return new LogHead(sequence, mirrored, recent, JournalRecord.ReadList(from, LogRecord.Read), parts) { Fence = fence };
    });

    /// <summary>The object of a part.</summary>
    public static byte[] PartOf(IReadOnlyCollection<LogRecord> records) => Write(Format, to => WriteRecords(to, records));

    /// <summary>The records of a part. Throws as <see cref="Read(ReadOnlyMemory{byte})"/>.</summary>
    public static ImmutableArray<LogRecord> ReadPart(ReadOnlyMemory<byte> bytes) =>
        Read(bytes, Format, static (from, _) => JournalRecord.ReadList(from, LogRecord.Read));

    private static void WriteRecords(BinaryWriter to, IReadOnlyCollection<LogRecord> records)
    {
        to.Write(records.Count);
        foreach (var record in records) record.Write(to);
    }

    private static byte[] Write(int format, Action<BinaryWriter> write)
    {
        using var bytes = new MemoryStream();
        using var to = new BinaryWriter(bytes, Encoding.UTF8);
        to.Write(Magic);
        to.Write(format);
        write(to);
        to.Write(SumMagic);
        to.Write(Crc32C.Of(bytes.GetBuffer().AsSpan(0, (int)bytes.Length)));
        return bytes.ToArray();
    }

    private static T Read<T>(ReadOnlyMemory<byte> bytes, int newest, Func<BinaryReader, int, T> read)
    {
        var (hasSum, other) = SumOf(bytes.Span);
        try
        {
            return Read(bytes, newest, read, hasSum);
        }
        catch (Exception e) when (other is not null && e is (InvalidDataException or NewerRecordException))
        {
            throw new InvalidDataException(other, e);
        }
    }

    private static T Read<T>(ReadOnlyMemory<byte> bytes, int newest, Func<BinaryReader, int, T> read, bool hasSum)
    {
        try
        {
            using var from = new BinaryReader(new MemoryStream(bytes.ToArray()), Encoding.UTF8);
            if (from.ReadUInt32() != Magic) throw new InvalidDataException("expected an object of a log, got other bytes");
            var format = from.ReadInt32();
            if (format > newest)
                throw new NewerRecordException(
                    $"expected a log of format {newest} at most, got {format}; run the version of the gateway that wrote it",
                    new InvalidDataException("unknown format"));
            if (format < Format) throw new InvalidDataException($"expected a log of format {Format} at least, got {format}");
            return ReadBody(from, format, read, hasSum);
        }
        catch (EndOfStreamException e)
        {
            throw new InvalidDataException($"expected an object of a log, got {bytes.Length} bytes", e);
        }
    }

    private static T ReadBody<T>(BinaryReader from, int format, Func<BinaryReader, int, T> read, bool hasSum)
    {
        try
        {
            var body = read(from, format);
            var remaining = from.BaseStream.Length - from.BaseStream.Position;
            return hasSum || remaining == 0
                ? body
                : throw new InvalidDataException($"expected the end of the log after its last record, got {remaining} bytes more");
        }
        catch (Exception e) when (e is IOException or InvalidDataException or FormatException or ArgumentException)
        {
            // Its writer wrote exactly these bytes, and this version writes no such object.
            if (hasSum)
                throw new NewerRecordException(
                    $"expected known records, got others ({e.Message}); run the version of the gateway that wrote it", e);
            throw new InvalidDataException($"expected the records of a log, got other bytes ({(e.InnerException ?? e).Message})", e);
        }
    }

    /// <summary>
    /// Whether the object ends with the checksum of its bytes, and what is wrong when it seems to end with another one: then it is damaged,
    /// or an earlier version wrote it, without a checksum, and it ends with such a text of a client. The latter ends with its last record.
    /// </summary>
    private static (bool HasSum, string? Other) SumOf(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < SumLength || BinaryPrimitives.ReadUInt32LittleEndian(bytes[^SumLength..]) != SumMagic) return (false, null);
        var (expected, actual) = (BinaryPrimitives.ReadUInt32LittleEndian(bytes[^sizeof(uint)..]), Crc32C.Of(bytes[..^sizeof(uint)]));
        return expected == actual ? (true, null) : (false, $"expected the checksum {expected:x8}, got {actual:x8}");
    }
}
