using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>
/// The append-only log that commits all metadata (docs/design/0001-storage.md). One writer. A record is a header and a payload:
/// magic, payload length, CRC-32C of what follows, the last sequence that was durable when the record was written, then the payload. Zeros
/// after the last record of a segment are no part of it.
/// </summary>
internal sealed class Journal : IDisposable
{
    private const uint Magic = 0x314A_5747; // "GWJ1"
    private const int HeaderLength = 4 + 4 + 4 + 8;

    /// <summary>
    /// The longest payload in bytes; a longer one is damage. The longest change removes a manifest with its tags, some 210 bytes each: room
    /// for 300,000.
    /// </summary>
    private const int MaxPayload = 64 << 20;

    /// <summary>
    /// Written after the last record. A record that overwrites zeros changes neither the length nor the blocks of the file, so its flush
    /// writes no metadata of the file system: it takes 0.7 times as long (medians of 600 pairs in alternation on ext4). Chosen: some
    /// 60 changes for each flush that does, and little to write for a single change.
    /// </summary>
    private static readonly byte[] Zeros = new byte[64 << 10];

    private readonly string _folder;
    private readonly Durability _durability;
    private readonly MemoryStream _batch = new();
    private readonly BinaryWriter _writer;
    private SafeFileHandle? _segment;
    private long _length;
    private long _zeroed;
    private long _durable;

    private Journal(string folder, long durable, Durability durability)
    {
        (_folder, _durable, _durability) = (folder, durable, durability);
        _writer = new(_batch, Encoding.UTF8);
    }

    /// <summary>The length of the records of the current segment in bytes, without the zeros after them.</summary>
    public long Length => _length;

    /// <summary>Opens the journal of a volume whose records have all been read and applied. Writes nothing.</summary>
    public static Journal Create(string folder, long lastSequence, Durability durability) => new(folder, lastSequence, durability);

    /// <summary>Adds a record to the batch that the next <see cref="Flush"/> makes durable.</summary>
    public void Append(JournalRecord record)
    {
        var start = (int)_batch.Length;
        _batch.SetLength(start + HeaderLength);
        _batch.Position = start + HeaderLength;
        record.Write(_writer);
        var whole = _batch.GetBuffer().AsSpan(start, (int)_batch.Length - start);
        // A record that could not be read back must not be acknowledged.
        if (whole.Length - HeaderLength > MaxPayload)
            throw new StoreReadOnlyException($"expected a change of at most {MaxPayload} bytes, got {whole.Length}");
        BinaryPrimitives.WriteUInt32LittleEndian(whole, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(whole[4..], whole.Length - HeaderLength);
        BinaryPrimitives.WriteInt64LittleEndian(whole[12..], _durable);
        BinaryPrimitives.WriteUInt32LittleEndian(whole[8..], Crc32C.Of(whole[12..]));
        if (_segment is null) Open(record.Sequence);
    }

    /// <summary>
    /// Writes the batch and flushes it: its records are durable when this returns. If the write fails, the segment is truncated and nothing
    /// of the batch remains. A failed flush throws <see cref="FlushFailedException"/>: the content of the disk is unknown, and the journal
    /// accepts no more records. The same applies to a segment that cannot be truncated, because a later record could end where one of this
    /// batch begins.
    /// </summary>
    public void Flush(long lastSequence)
    {
        var bytes = _batch.GetBuffer().AsMemory(0, (int)_batch.Length);
        _batch.SetLength(0);
        try
        {
            RandomAccess.Write(_segment!, bytes.Span, _length);
        }
        catch (IOException)
        {
            CutBack();
            throw;
        }
        if (_length + bytes.Length > _zeroed) WriteZeros(_length + bytes.Length);
        _durability.Flush(_segment!, _folder);
        _length += bytes.Length;
        _durable = lastSequence;
    }

    private void WriteZeros(long at)
    {
        try
        {
            RandomAccess.Write(_segment!, Zeros, at);
            _zeroed = at + Zeros.Length;
        }
        catch (IOException)
        {
            // The volume had room for the records and has none for the zeros: the flush takes longer.
        }
    }

    private void CutBack()
    {
        try
        {
            RandomAccess.SetLength(_segment!, _length);
            _zeroed = _length;
        }
        catch (IOException)
        {
            _durability.EndWrites(
                "the journal could not be truncated after a failed write; the volume accepts no writes until the gateway is restarted");
        }
    }

    /// <summary>Discards records that were appended and not flushed.</summary>
    public void Forget() => _batch.SetLength(0);

    /// <summary>Ends the segment; the next record starts another one. Returns the ended segments, oldest first.</summary>
    public IReadOnlyList<string> Rotate()
    {
        _segment?.Dispose();
        _segment = null;
        _length = 0;
        return Segments(_folder);
    }

    private void Open(long sequence)
    {
        Directory.CreateDirectory(_folder);
        var path = Path.Combine(_folder, sequence.ToString("D20", CultureInfo.InvariantCulture) + ".log");
        Disk.RemoveLink(path);
        var segment = File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite, FileShare.Read);
        try
        {
            // No record may go into a segment whose name may be lost.
            _durability.FlushFolder(_folder);
        }
        catch
        {
            segment.Dispose();
            throw;
        }
        (_segment, _length, _zeroed) = (segment, 0, 0);
    }

    public void Dispose()
    {
        _segment?.Dispose();
        _writer.Dispose();
    }

    /// <summary>The segments of a folder, oldest first.</summary>
    public static string[] Segments(string folder) =>
        [.. Disk.FilesIn(folder).Where(f => f.EndsWith(".log", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    /// <summary>
    /// Reads every acknowledged record, in order. A torn tail (an unfinished batch, whose callers were never answered) ends the reading.
    /// Any other unreadable record is damage, and throws <see cref="InvalidDataException"/> with the file and the offset. A record of a
    /// newer version throws <see cref="NewerRecordException"/>.
    /// </summary>
    public static IEnumerable<JournalRecord> Read(string folder)
    {
        var segments = Segments(folder);
        for (var i = 0; i < segments.Length; i++)
        {
            var bytes = BytesOf(segments[i]);
            var offset = 0;
            long last = 0;
            while (TryReadRecord(bytes, offset, out var record, out var next, out _))
            {
                last = record!.Sequence;
                yield return record;
                offset = next;
            }
            if (IsEnd(bytes, offset)) continue;
            if (AcknowledgedAfter(bytes, offset, last) || (i < segments.Length - 1 && !Follows(segments[i + 1], last)))
                throw new InvalidDataException($"{segments[i]} is damaged at byte {offset}");
        }
    }

    /// <summary>Whether no record of a segment follows this offset: there is nothing, or only zeros.</summary>
    public static bool IsEnd(byte[] bytes, int offset) => !bytes.AsSpan(offset).ContainsAnyExcept((byte)0);

    /// <summary>
    /// Whether a segment was started by a process that had read no further than this. Then the records that it could not read had never
    /// been acknowledged.
    /// </summary>
    private static bool Follows(string segment, long last) =>
        TryReadRecord(BytesOf(segment), 0, out _, out _, out var durable) && durable <= last;

    private static byte[] BytesOf(string segment) => Disk.Bytes(segment, Array.MaxLength) ?? [];

    /// <summary>Whether a record after this offset was written after the record at this offset had been acknowledged.</summary>
    private static bool AcknowledgedAfter(byte[] bytes, int offset, long last)
    {
        for (var at = offset + 1; at + HeaderLength <= bytes.Length; at++)
        {
            if (TryReadRecord(bytes, at, out _, out _, out var durable) && durable > last) return true;
        }
        return false;
    }

    /// <summary>
    /// Reads the record at an offset; false where none can be read. Throws <see cref="NewerRecordException"/> for a record of a newer
    /// version.
    /// </summary>
    /// <param name="next">The offset after it.</param>
    public static bool TryReadWhole(byte[] bytes, int offset, [NotNullWhen(true)] out JournalRecord? record, out int next)
    {
        return TryReadRecord(bytes, offset, out record, out next, out _) && record is not null;
    }

    private static bool TryReadRecord(byte[] bytes, int offset, out JournalRecord? record, out int next, out long durable)
    {
        (record, next, durable) = (null, 0, 0);
        if (offset + HeaderLength > bytes.Length) return false;
        var header = bytes.AsSpan(offset);
        if (BinaryPrimitives.ReadUInt32LittleEndian(header) != Magic) return false;
        var length = BinaryPrimitives.ReadInt32LittleEndian(header[4..]);
        if (length is < 0 or > MaxPayload || offset + HeaderLength + length > bytes.Length) return false;
        if (BinaryPrimitives.ReadUInt32LittleEndian(header[8..]) != Crc32C.Of(header.Slice(12, 8 + length))) return false;
        durable = BinaryPrimitives.ReadInt64LittleEndian(header[12..]);
        using var reader = new BinaryReader(new MemoryStream(bytes, offset + HeaderLength, length), Encoding.UTF8);
        record = JournalRecord.Read(reader);
        next = offset + HeaderLength + length;
        return true;
    }
}
