using Gateway.Storage;
using Gateway.Transport;

namespace Gateway.PullThrough;

/// <summary>A small blob in memory: verified, and not stored because the volume has no room.</summary>
internal sealed class BytesContent(Digest digest, ReadOnlyMemory<byte> bytes) : IContent
{
    public Digest Digest => digest;

    public long? Length => bytes.Length;

    public bool IsVerified => true;

    public ValueTask CopyToAsync(IBodyWriter writer, long offset, long? count, CancellationToken cancellationToken) =>
        writer.WriteAsync(bytes.Slice((int)offset, (int)(count ?? bytes.Length - offset)), cancellationToken);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
