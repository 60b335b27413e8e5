using System.Security.Cryptography;
using Gateway.Oci;
using Gateway.Storage;
using Gateway.Transport;

namespace Gateway.PullThrough;

/// <summary>
/// Sends a download straight to one client. With a hash, the last byte is held until the digest matches; without one (a range) nothing can
/// be checked.
/// </summary>
internal sealed class PassingSink(Digest digest, long position, IncrementalHash? hash) : IDownloadSink
{
    private readonly byte[] _held = new byte[1];
    private bool _holds;

    public Digest Digest => digest;

    /// <summary>Where the bytes go; set before the download runs.</summary>
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
        // Any byte may be the last while the length is unknown.
        var isLast = Length is null || Position == Length;
        if (isLast) (_holds, _held[0]) = (true, bytes.Span[^1]);
        await Writer!.WriteAsync(isLast ? bytes[..^1] : bytes, cancellationToken);
    }

    public ValueTask FlushAsync() => default;

    /// <summary>Everything has come: releases the last byte, or throws.</summary>
    public async ValueTask FinishAsync(CancellationToken cancellationToken)
    {
        if (hash is null) return;
        var actual = Digest.FromHash(digest.Algorithm, hash.GetCurrentHash());
        if (actual != digest)
            throw new FetchException(FetchFailure.Wrong, $"{Position} bytes came for {digest}, but their digest is {actual}");
        await SendHeldAsync(cancellationToken);
    }

    private async ValueTask SendHeldAsync(CancellationToken cancellationToken)
    {
        if (!_holds) return;
        _holds = false;
        await Writer!.WriteAsync(_held, cancellationToken);
    }
}
