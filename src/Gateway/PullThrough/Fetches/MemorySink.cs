using System.Buffers;

namespace Gateway.PullThrough;

/// <summary>
/// Receives a small download in memory, so that it is verified before its first byte is sent although nothing can be written. At most <see
/// cref="FetchTable.VerifiedFirst"/> bytes.
/// </summary>
internal sealed class MemorySink(long? length) : IDownloadSink
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    public long Position => _bytes.WrittenCount;

    public long? End => null;

    public long? Length { get; set; } = length;

    public ReadOnlyMemory<byte> Bytes => _bytes.WrittenMemory;

    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (Position + bytes.Length > FetchTable.VerifiedFirst)
            throw new FetchException(FetchFailure.Wrong, $"expected {Length} bytes, got more than {FetchTable.VerifiedFirst}");
        _bytes.Write(bytes.Span);
        return ValueTask.CompletedTask;
    }

    public ValueTask FlushAsync() => default;

    public bool Matches(Digest digest) => Digest.Of(Bytes.Span, digest.Algorithm) == digest;
}
