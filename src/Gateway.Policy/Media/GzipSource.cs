using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;

namespace Gateway.Policy.Media;

/// <summary>Decompresses gzip (RFC 1952) member by member, and refuses bytes between, before or after the members.</summary>
internal sealed class GzipSource(ByteReader packed) : IByteSource, IDisposable
{
    private const int TrailerLength = 8;

    // Flags of RFC 1952 §2.3.1.
    private const int HeaderCrc = 2;
    private const int Extra = 4;
    private const int Name = 8;
    private const int Comment = 16;
    private const int Reserved = 0xE0;

    private readonly Crc32 _sum = new();
    private Sips? _sips;
    private DeflateStream? _inflater;
    private uint _length;

    /// <summary>Number of members with content.</summary>
    public int Members { get; private set; }

    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (_inflater is null && !await BeginAsync(cancellationToken)) return 0;
            var read = await InflateAsync(buffer, cancellationToken);
            if (read == 0)
            {
                await EndAsync(cancellationToken);
                continue;
            }
            if (_length == 0) Members++;
            _sum.Append(buffer.Span[..read]);
            _length = unchecked(_length + (uint)read);
            return read;
        }
    }

    public void Dispose() => _inflater?.Dispose();

    private async ValueTask<int> InflateAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await _inflater!.ReadAsync(buffer, cancellationToken);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException("not gzip that can be unpacked: its content is damaged or cut short", e);
        }
    }

    // Skips the header of a member; false at the end of the input.
    private async ValueTask<bool> BeginAsync(CancellationToken cancellationToken)
    {
        // The longest useful header: an extra field of 64 KiB, a name and a comment.
        var bytes = await packed.PeekAsync(ByteReader.Capacity, cancellationToken);
        if (bytes.IsEmpty) return false;
        if (!bytes.Span.StartsWith(MediaSniffer.Gzip))
            throw new InvalidDataException($"followed by other bytes from offset {packed.Position} on");
        packed.Advance(HeaderLength(bytes.Span));
        _sum.Reset();
        (_length, _sips) = (0, new(packed));
        _inflater = new(_sips, CompressionMode.Decompress);
        return true;
    }

    private static int HeaderLength(ReadOnlySpan<byte> bytes)
    {
        const int Fixed = 10;
        var flags = bytes.Length < Fixed ? Reserved : bytes[3];
        var length = Fixed;
        if ((flags & Extra) != 0 && bytes.Length >= length + 2) length += 2 + BinaryPrimitives.ReadUInt16LittleEndian(bytes[length..]);
        foreach (var flag in (ReadOnlySpan<int>)[Name, Comment])
        {
            if ((flags & flag) == 0 || length >= bytes.Length) continue;
            var end = bytes[length..].IndexOf((byte)0);
            length = end < 0 ? bytes.Length + 1 : length + end + 1;
        }
        if ((flags & HeaderCrc) != 0) length += 2;
        return (flags & Reserved) == 0 && length <= bytes.Length
            ? length
            : throw new InvalidDataException("not gzip that can be unpacked: a header is wrong");
    }

    // The trailer follows where the content ended, and describes the content. If it is found further on, there are other bytes between.
    private async ValueTask EndAsync(CancellationToken cancellationToken)
    {
        var bytes = await packed.PeekAsync(_sips!.Last + TrailerLength, cancellationToken);
        var at = bytes.Span[..Math.Min(bytes.Length, _sips.Last + TrailerLength)].IndexOf(Trailer());
        if (at < 0) throw new InvalidDataException("not gzip that can be unpacked: it is cut short, or its check sum is wrong");
        if (_sips.Last != 1 || !bytes.Span[1..].StartsWith(Trailer()))
            throw new InvalidDataException($"followed by other bytes from offset {packed.Position + at} on");
        packed.Advance(1 + TrailerLength);
        await _inflater!.DisposeAsync();
        (_inflater, _sips) = (null, null);
    }

    private byte[] Trailer()
    {
        var trailer = new byte[TrailerLength];
        BinaryPrimitives.WriteUInt32LittleEndian(trailer, _sum.GetCurrentHashAsUInt32());
        BinaryPrimitives.WriteUInt32LittleEndian(trailer.AsSpan(4), _length);
        return trailer;
    }

    /// <summary>
    /// The input of the inflater, in small portions: the inflater neither returns unused input nor reports its length. Where a member can
    /// end, byte by byte: before the end of the input, or before a possible start of another member.
    /// </summary>
    private sealed class Sips(ByteReader packed) : Stream
    {
        // Chosen: reading is not much slower than with large portions.
        private const int Most = 256;

        // The trailer and the start of the next member would be among these bytes if a member ended within them.
        private const int Ahead = Most + TrailerLength + 3;

        /// <summary>Bytes of the last portion; they are not consumed yet.</summary>
        public int Last { get; private set; }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            packed.Advance(Last);
            var next = await packed.PeekAsync(Ahead, cancellationToken);
            var mayEnd = next.Length < Ahead || next.Span[..Ahead].IndexOf(MediaSniffer.Gzip) >= 0;
            Last = Math.Min(Math.Min(next.Length, mayEnd ? 1 : Most), buffer.Length);
            next[..Last].CopyTo(buffer);
            return Last;
        }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
