using System.Buffers.Text;

namespace Gateway.Policy.Media;

/// <summary>
/// Walks the headers of a tar archive (POSIX.1-2024 pax, with GNU's extensions) as Go's reader does, which nearly all clients use. Checks
/// that each header is at the position that the one before implies, and that nothing follows the end of the archive.
/// </summary>
internal sealed class TarWalk
{
    /// <summary>Bytes of a header, and of the blocks that content is padded to.</summary>
    public const int BlockLength = 512;

    /// <summary>Most bytes of a pax header; the limit of Go's reader.</summary>
    private const int MaxPax = 1 << 20;

    private readonly byte[] _block = new byte[BlockLength];
    private int _filled;
    private long _skip;
    private int _padding;
    private bool _hasEnded;
    private bool _isSparse;
    private MemoryStream? _pax;
    private long? _size;

    /// <summary>Why clients could read the archive differently, as the end of "it is …"; null when no reason was found so far.</summary>
    public string? Flaw { get; private set; }

    /// <summary>Processes the next bytes.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty && Flaw is null)
        {
            if (_hasEnded)
            {
                if (bytes.ContainsAnyExcept((byte)0)) Flaw = "followed by other bytes after the end of its tar archive";
                return;
            }
            var count = (int)Math.Min(_skip > 0 ? _skip : BlockLength - _filled, bytes.Length);
            if (_skip > 0) Skip(bytes[..count]);
            else Fill(bytes[..count]);
            bytes = bytes[count..];
        }
    }

    /// <summary>Ends the input.</summary>
    public void Finish()
    {
        if (Flaw is null && !_hasEnded && (_skip > _padding || _block.AsSpan(0, _filled).ContainsAnyExcept((byte)0)))
            Flaw = "cut short within its tar archive";
    }

    /// <summary>Whether a block is a header: its checksum is correct, which every reader requires.</summary>
    public static bool IsHeader(ReadOnlySpan<byte> block)
    {
        if (block.Length < BlockLength || Number(block.Slice(148, 8)) is not { } stated) return false;
        var (unsigned, signed) = (0, 0);
        for (var i = 0; i < BlockLength; i++)
        {
            var value = i is >= 148 and < 156 ? (byte)' ' : block[i];
            unsigned += value;
            signed += (sbyte)value;
        }
        return stated == unsigned || stated == signed;
    }

    private void Skip(ReadOnlySpan<byte> bytes)
    {
        _pax?.Write(bytes);
        _skip -= bytes.Length;
        if (_skip > 0 || _pax is null) return;
        _size = SizeOf(_pax.GetBuffer().AsSpan(0, (int)_pax.Length - _padding)) ?? _size;
        _pax = null;
    }

    private void Fill(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_block.AsSpan(_filled));
        _filled += bytes.Length;
        if (_filled < BlockLength) return;
        _filled = 0;
        if (_isSparse) _isSparse = _block[504] != 0;
        else if (!_block.AsSpan().ContainsAnyExcept((byte)0)) _hasEnded = true;
        else if (!IsHeader(_block)) Flaw = "a tar archive with a broken header";
        else Begin();
    }

    // Offsets of POSIX.1-2024 ustar: the name at 0, the size at 124, the type at 156. GNU marks sparse files at 482.
    private void Begin()
    {
        var type = _block[156];
        if (Number(_block.AsSpan(124, 12)) is not { } size)
        {
            Flaw = "a tar archive with a broken size";
            return;
        }
        if (type != 'x' && type != 'g' && type != 'L' && type != 'K') (size, _size) = (_size ?? size, null);
        var name = _block.AsSpan(0, 100);
        var isFolder = type == 0 && name[..(name.IndexOf((byte)0) is >= 0 and var end ? end : name.Length)].EndsWith("/"u8);
        if (type is >= (byte)'1' and <= (byte)'6' || isFolder) size = 0;
        if (type == 'x' && size > MaxPax)
        {
            Flaw = "a tar archive with a pax header of more than 1 MiB";
            return;
        }
        _isSparse = type == 'S' && _block[482] != 0;
        _padding = (int)(-size & (BlockLength - 1));
        _skip = size + _padding;
        _pax = type == 'x' && size > 0 ? new() : null;
    }

    // Octal with surrounding spaces or NULs, or GNU's base 256; null for anything else and for impossible values.
    private static long? Number(ReadOnlySpan<byte> field)
    {
        if ((field[0] & 0x80) != 0)
        {
            var value = (UInt128)(field[0] & 0x7F);
            foreach (var one in field[1..]) value = (value << 8) | one;
            return value <= long.MaxValue - BlockLength ? (long)value : null;
        }
        long number = 0;
        foreach (var one in field.Trim(" \0"u8))
        {
            if (one is < (byte)'0' or > (byte)'7') return null;
            number = (number << 3) | (uint)(one - '0');
        }
        return number;
    }

    // The size record of a pax header, whose records are "<length> <key>=<value>\n".
    private static long? SizeOf(ReadOnlySpan<byte> pax)
    {
        long? size = null;
        while (Utf8Parser.TryParse(pax, out int length, out var used) && length > used + 1 && length <= pax.Length)
        {
            var record = pax[(used + 1)..(length - 1)];
            if (record.StartsWith("size="u8) && Utf8Parser.TryParse(record[5..], out long value, out _)
                && value is >= 0 and < long.MaxValue - BlockLength)
                size = value;
            pax = pax[length..];
        }
        return size;
    }
}
