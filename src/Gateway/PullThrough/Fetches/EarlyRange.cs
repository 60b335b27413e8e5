using System.Buffers;
using Gateway.Storage;
using Gateway.Transport;

namespace Gateway.PullThrough;

/// <summary>
/// Sends a reader a range that its fetch has not reached yet directly from the upstream, in closed chunks. This is only an optimization: if
/// the upstream does not send the range, or after <see cref="MaxChunks"/>, the reader follows the fetch.
/// </summary>
internal sealed class EarlyRange(FetchResources resources, BlobFetch fetch, UpstreamRepository source) : IAsyncDisposable
{
    /// <summary>Largest upstream range (issue "The pull-through engine", "Ranges on cold content").</summary>
    public const long Chunk = 4 << 20;

    /// <summary>Limits how much one reader can make the gateway fetch twice. Lazy-loading snapshotters read far less at a time.</summary>
    private const int MaxChunks = 4;

    // The fetch reaches nearer bytes in a moment, so they are not requested twice.
    private const long Lookahead = 1 << 20;

    private RangeConnection? _opened;
    private IDisposable? _place;
    private int _chunks = MaxChunks;

    /// <summary>Whether the fetch is too far from this offset to wait for it.</summary>
    public bool IsWorthwhile(long offset) => _chunks > 0 && offset > fetch.Part.Readable + Lookahead;

    /// <summary>
    /// Requests the chunk at an offset; false if the upstream does not send it, or if too many early ranges are under way.
    /// </summary>
    /// <param name="offset">First byte wanted.</param>
    /// <param name="end">One past the last byte wanted.</param>
    public async Task<bool> OpenAsync(long offset, long end, CancellationToken cancellationToken)
    {
        if ((_place = resources.Places.TryEnterEarly(source)) is null) return false;
        _chunks--;
        try
        {
            var last = Math.Min(offset + Chunk, end) - 1;
            _opened = await RangeConnection.OpenAsync(
                source, new(fetch.Digest, offset, last, fetch.Part.Length, null, fetch.Sources.Except), resources.Clock, resources.Logger,
                cancellationToken);
        }
        finally
        {
            if (_opened is null) await GiveUpAsync();
        }
        if (_opened is not null) PullThroughMetrics.Range("early");
        return _opened is not null;
    }

    /// <summary>
    /// Copies the available part from the upstream. Returns the offset that it reached: the same offset if the reader must follow the
    /// fetch.
    /// </summary>
    public async ValueTask<long> CopyToAsync(IBodyWriter writer, long offset, long end, CancellationToken cancellationToken)
    {
        if (_opened is null && !(IsWorthwhile(offset) && await OpenAsync(offset, end, cancellationToken))) return offset;
        // Once the fetch has ended, the response no longer says "unverified", so the verified bytes of the file must be sent.
        if (_opened!.First != offset || fetch.Part.IsVerified)
        {
            await GiveUpAsync();
            return offset;
        }
        end = Math.Min(end, _opened.End);
        var reached = await CopyChunkAsync(_opened, writer, offset, end, cancellationToken);
        if (reached < end) _chunks = 0;
        await DisposeAsync();
        return reached;
    }

    public async ValueTask DisposeAsync()
    {
        if (_opened is not null) await _opened.DisposeAsync();
        _place?.Dispose();
        (_opened, _place) = (null, null);
    }

    private static async Task<long> CopyChunkAsync(
        RangeConnection range, IBodyWriter writer, long offset, long end, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
        try
        {
            while (offset < end && await range.ReadAsync(buffer) is var read and > 0)
            {
                var count = (int)Math.Min(read, end - offset);
                await writer.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
                offset += count;
            }
            return offset;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private ValueTask GiveUpAsync()
    {
        _chunks = 0;
        return DisposeAsync();
    }
}
