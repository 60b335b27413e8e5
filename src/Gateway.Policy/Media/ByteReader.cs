namespace Gateway.Policy.Media;

/// <summary>A source with a buffer for lookahead.</summary>
internal sealed class ByteReader(IByteSource source) : IByteSource
{
    /// <summary>Bytes in memory. Chosen: large enough that reading a file costs little in comparison with decompressing it.</summary>
    public const int Capacity = 128 * 1024;

    private readonly byte[] _buffer = new byte[Capacity];
    private int _from;
    private int _to;
    private bool _isAtEnd;

    /// <summary>Number of bytes consumed so far.</summary>
    public long Position { get; private set; }

    /// <summary>The next bytes: at least <paramref name="count"/> (up to <see cref="Capacity"/>), fewer only at the end.</summary>
    public async ValueTask<ReadOnlyMemory<byte>> PeekAsync(int count, CancellationToken cancellationToken)
    {
        while (_to - _from < count && !_isAtEnd)
        {
            if (_from + count > Capacity)
            {
                _buffer.AsSpan(_from, _to - _from).CopyTo(_buffer);
                (_from, _to) = (0, _to - _from);
            }
            var read = await source.ReadAsync(_buffer.AsMemory(_to), cancellationToken);
            _isAtEnd = read == 0;
            _to += read;
        }
        return _buffer.AsMemory(_from, _to - _from);
    }

    /// <summary>Consumes bytes that have been looked at.</summary>
    public void Advance(int count)
    {
        _from += count;
        Position += count;
    }

    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var next = await PeekAsync(1, cancellationToken);
        var count = Math.Min(next.Length, buffer.Length);
        next[..count].CopyTo(buffer);
        Advance(count);
        return count;
    }
}
