namespace Gateway.BlackBox.Rig;

/// <summary>One mebibyte of noise repeatedly, each time preceded by its number.</summary>
internal sealed class RepeatedNoise(long length) : Stream
{
    private readonly byte[] _block = OciLayout.Noise(1, 1 << 20);
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => length;

    public override long Position { get => _position; set => throw new NotSupportedException(); }

    public override int Read(Span<byte> buffer)
    {
        var offset = (int)(_position % _block.Length);
        if (offset == 0)
            BitConverter.TryWriteBytes(_block, _position);
        var count = (int)Math.Min(Math.Min(buffer.Length, _block.Length - offset), length - _position);
        _block.AsSpan(offset, count).CopyTo(buffer);
        _position += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
