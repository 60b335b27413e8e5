using Gateway.Storage;
using Gateway.Transport;

namespace Gateway.PullThrough;

/// <summary>
/// Sends a download directly to one client. With a hash, it holds the last byte until the digest matches. Without a hash (a range), nothing
/// is verified.
/// </summary>
internal sealed class PassingSink(Digest digest, long position, ContentHash? hash) : IDownloadSink
{
    private readonly byte[] _held = new byte[1];
    private bool _holds;

    public Digest Digest => digest;

    /// <summary>The client's response; set before the download runs.</summary>
    public IBodyWriter? Writer { get; set; }

    public long Position { get; private set; } = position;

    public long? End { get; init; }

    public long? Length { get; set; }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (bytes.IsEmpty) return;
        Position += bytes.Length;
        if (hash is null)
        {
            await Writer!.WriteAsync(bytes, cancellationToken);
            return;
        }
        hash.AppendData(bytes.Span);
        await SendHeldAsync(cancellationToken);
        // While the length is unknown, any byte can be the last one.
        var isLast = Length is null || Position == Length;
        if (isLast) (_holds, _held[0]) = (true, bytes.Span[^1]);
        await Writer!.WriteAsync(isLast ? bytes[..^1] : bytes, cancellationToken);
    }

    public ValueTask FlushAsync() => default;

    /// <summary>Call after all bytes were received: releases the last byte, or throws.</summary>
    public async ValueTask FinishAsync(CancellationToken cancellationToken)
    {
        if (hash is null) return;
        var actual = Digest.FromHash(digest.Algorithm, hash.GetCurrentHash());
        if (actual != digest)
            throw new FetchException(FetchFailure.Wrong, $"expected digest {digest}, got {Position} bytes with digest {actual}");
        await SendHeldAsync(cancellationToken);
    }

    private async ValueTask SendHeldAsync(CancellationToken cancellationToken)
    {
        if (!_holds) return;
        _holds = false;
        await Writer!.WriteAsync(_held, cancellationToken);
    }
}
