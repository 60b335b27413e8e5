using System.Buffers;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.ExceptionServices;

namespace Gateway.Upstream;

/// <summary>A request's body. It is opened again each time it is sent: after a 401, after a redirect.</summary>
/// <param name="Length">The length in bytes.</param>
/// <param name="Open">
/// Opens a stream of at least <paramref name="Length"/> bytes. The caller receives its exceptions, and those of the stream, unchanged.
/// </param>
internal sealed record UpstreamBody(string MediaType, long Length, Func<CancellationToken, ValueTask<Stream>> Open)
{
    /// <summary>For the remainder of a blob: the offset of its first byte, sent as <c>Content-Range</c>; otherwise null.</summary>
    public long? First { get; init; }

    /// <summary>A body from a copy of bytes in memory.</summary>
    public static UpstreamBody Of(string mediaType, ReadOnlyMemory<byte> bytes)
    {
        var copy = bytes.ToArray();
        return new(mediaType, copy.Length, _ => ValueTask.FromResult<Stream>(new MemoryStream(copy, writable: false)));
    }
}

/// <summary>Sends a body in pieces, and cancels the request if the upstream stops reading it.</summary>
internal sealed class UpstreamContent : HttpContent
{
    // In bytes. As a download's reads: fewer calls than with 64 KiB, and it still fits a core's cache.
    private const int Piece = 256 * 1024;

    // Chosen: three times the time for response headers, because storage behind a registry pauses to flush.
    private static readonly TimeSpan StallTimeout = TimeSpan.FromSeconds(30);

    private readonly UpstreamBody _body;
    private readonly CancellationTokenSource _patience;

    /// <summary>Content that sends a body.</summary>
    /// <param name="patience">Canceled when the upstream does not read a piece in time, or does not answer after the last piece.</param>
    public UpstreamContent(UpstreamBody body, CancellationTokenSource patience)
    {
        (_body, _patience) = (body, patience);
        Headers.ContentType = MediaTypeHeaderValue.Parse(body.MediaType);
        Headers.ContentLength = body.Length;
        // The distribution-spec's Content-Range has no unit.
        if (body.First is { } first) Headers.TryAddWithoutValidation("Content-Range", $"{first}-{first + body.Length - 1}");
    }

    /// <summary>Why the body's source could not be read; null if the source did not fail.</summary>
    public ExceptionDispatchInfo? Failure { get; private set; }

    protected override bool TryComputeLength(out long length)
    {
        length = _body.Length;
        return true;
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Piece);
        try
        {
            await using var source = await ReadAsync(() => _body.Open(cancellationToken));
            for (var remaining = _body.Length; remaining > 0;)
            {
                var want = buffer.AsMemory(0, (int)Math.Min(remaining, Piece));
                var read = await ReadAsync(() => source.ReadAsync(want, cancellationToken));
                if (read == 0)
                    await ReadAsync<int>(() => throw new EndOfStreamException(
                        $"expected {_body.Length} bytes, got {_body.Length - remaining}"));
                _patience.CancelAfter(StallTimeout);
                await stream.WriteAsync(want[..read], cancellationToken);
                remaining -= read;
            }
            _patience.CancelAfter(UpstreamExchange.WriteTimeout);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Reads from the source without a time limit, because a slow source is not a fault of the upstream.</summary>
    private async ValueTask<T> ReadAsync<T>(Func<ValueTask<T>> read)
    {
        _patience.CancelAfter(Timeout.InfiniteTimeSpan);
        try
        {
            return await read();
        }
        catch (Exception e)
        {
            Failure = ExceptionDispatchInfo.Capture(e);
            throw;
        }
    }
}
