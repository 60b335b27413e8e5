using Gateway.Storage;
using Gateway.Transport;

namespace Gateway.PullThrough;

/// <summary>A blob that was opened for its headers only; nothing was fetched.</summary>
internal sealed class HeadContent(Digest digest, long? length) : IContent
{
    public Digest Digest => digest;

    public long? Length => length;

    public bool IsVerified => false;

    public ValueTask CopyToAsync(IBodyWriter writer, long offset, long? count, CancellationToken cancellationToken) =>
        throw new InvalidOperationException($"{digest} was opened for its headers only");

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
