using System.Buffers;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.ExceptionServices;

namespace Gateway.Upstream;

/// <summary>A request's body. It is opened anew for each time that it is sent: after a 401, after a redirect.</summary>
/// <param name="Length">In bytes.</param>
/// <param name="Open">A stream of at least so many bytes; what it throws, and what the stream throws, reaches whoever asked.</param>
internal sealed record UpstreamBody(string MediaType, long Length, Func<CancellationToken, ValueTask<Stream>> Open)
{
    /// <summary>For the rest of a blob: offset of its first byte in the blob, sent as <c>Content-Range</c>.</summary>
    public long? First { get; init; }

    /// <summary>Bytes that are small and in memory anyway.</summary>
    public static UpstreamBody Of(string mediaType, ReadOnlyMemory<byte> bytes)
    {
        var copy = bytes.ToArray();
        return new(mediaType, copy.Length, _ => ValueTask.FromResult<Stream>(new MemoryStream(copy, writable: false)));
    }
}

/// <summary>Sends a body, in pieces of one buffer, and gives up an upstream that takes nothing more.</summary>
/// <param name="patience">Ends when the upstream has not taken a piece in time, or not answered after the last.</param>
internal sealed class UpstreamContent : HttpContent
{
    // Chosen: what the socket and TLS take at once; a larger one gained nothing.
    private const int Piece = 64 * 1024;

    // Chosen: three times what an answer may take; storage behind a registry pauses to flush a part.
    private static readonly TimeSpan StallTimeout = TimeSpan.FromSeconds(30);

    private readonly UpstreamBody _body;
    private readonly CancellationTokenSource _patience;

    public UpstreamContent(UpstreamBody body, CancellationTokenSource patience)
    {
        (_body, _patience) = (body, patience);
        Headers.ContentType = MediaTypeHeaderValue.Parse(body.MediaType);
        Headers.ContentLength = body.Length;
        // Without a unit, as the distribution-spec has it.
        if (body.First is { } first) Headers.TryAddWithoutValidation("Content-Range", $"{first}-{first + body.Length - 1}");
    }

    /// <summary>Why the body could not be read; null where it was the upstream that did not take it.</summary>
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
            for (var left = _body.Length; left > 0;)
            {
                var want = buffer.AsMemory(0, (int)Math.Min(left, Piece));
                var read = await ReadAsync(() => source.ReadAsync(want, cancellationToken));
                if (read == 0) await ReadAsync<int>(() => throw new EndOfStreamException($"{left} of {_body.Length} bytes are missing"));
                _patience.CancelAfter(StallTimeout);
                await stream.WriteAsync(want[..read], cancellationToken);
                left -= read;
            }
            _patience.CancelAfter(UpstreamExchange.WriteTimeout);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>However long the source takes: that is no fault of the upstream's.</summary>
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
