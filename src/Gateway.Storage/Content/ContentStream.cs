namespace Gateway.Storage;

/// <summary>Content as a stream, for code that sends it elsewhere. The stream disposes of the content. The length must be known.</summary>
/// <param name="from">The first byte to read.</param>
public sealed class ContentStream(IContent content, long from) : ReadOnlyStream
{
    private long _position = from;

    /// <inheritdoc/>
    public override long Length { get; } =
        content.Length ?? throw new ArgumentException("expected content of known length", nameof(content));

    /// <inheritdoc/>
    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var count = (int)Math.Min(buffer.Length, Length - _position);
        if (count > 0)
        {
            // A file is read on the caller's thread: a piece is mostly in the page cache, and another thread would cost more.
            if (content is FileContent file) file.Read(buffer.Span[..count], _position);
            else await content.ReadAtAsync(buffer[..count], _position, cancellationToken);
        }
        _position += count;
        return count;
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count)).Wait();

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await content.DisposeAsync();
        await base.DisposeAsync();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) content.DisposeAsync().Wait();
        base.Dispose(disposing);
    }
}
