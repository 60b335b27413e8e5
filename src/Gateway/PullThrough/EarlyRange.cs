using System.Buffers;
using Gateway.Oci;
using Gateway.Transport;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// Answers a range that a fetch has not reached yet straight from the upstream, in closed chunks. Only an optimisation: where the upstream
/// does not play along, or after <see cref="MaxChunks"/>, the reader follows the fetch.
/// </summary>
internal sealed class EarlyRange(FetchTable table, BlobFetch fetch, UpstreamRepository source) : IAsyncDisposable
{
    /// <summary>Largest upstream range (issue "The pull-through engine", "Ranges on cold content").</summary>
    public const long Chunk = 4 << 20;

    /// <summary>Bounds what one reader can make us fetch twice; lazy-loading snapshotters read far less at once.</summary>
    private const int MaxChunks = 4;

    // What the fetch will have in a moment anyway is not asked for twice.
    private const long Lookahead = 1 << 20;

    private UpstreamResponse? _opened;
    private int _chunks = MaxChunks;

    /// <summary>Whether the fetch is too far from this offset to be waited for.</summary>
    public bool IsWorthwhile(long offset) => _chunks > 0 && offset > fetch.Readable + Lookahead;

    /// <summary>Asks for the chunk at an offset; false when the upstream does not give it.</summary>
    public async Task<bool> OpenAsync(long offset, long end, CancellationToken cancellationToken)
    {
        _chunks--;
        try
        {
            var wanted = (First: offset, Last: Math.Min(offset + Chunk, end) - 1);
            _opened = await source.GetBlobAsync(fetch.Digest, wanted, null, fetch.Sources.Except, cancellationToken);
            if (_opened.Status == 206 && _opened.ContentRange is { } got && got.First == offset && IsOf(got.Whole)) return true;
        }
        catch (UpstreamException e)
        {
            Log.NoEarlyRange(table.Logger, fetch.Digest, e.Message);
        }
        await GiveUpAsync();
        return false;
    }

    /// <summary>
    /// Copies from the upstream what it can, and returns the offset that it reached: the same when the reader must follow the fetch.
    /// </summary>
    public async ValueTask<long> CopyToAsync(IBodyWriter writer, long offset, long end, CancellationToken cancellationToken)
    {
        if (_opened is null && !(IsWorthwhile(offset) && await OpenAsync(offset, end, cancellationToken))) return offset;
        if (_opened!.ContentRange!.Value.First != offset)
        {
            await GiveUpAsync();
            return offset;
        }
        await using var response = _opened;
        _opened = null;
        return await CopyChunkAsync(response, writer, offset, Math.Min(end, response.ContentRange.Value.Last + 1), cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (_opened is not null) await _opened.DisposeAsync();
    }

    private async Task<long> CopyChunkAsync(
        UpstreamResponse response, IBodyWriter writer, long offset, long end, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
        try
        {
            using var pace = new Pace(response.Body, table.Clock, cancellationToken);
            while (offset < end && await ReadAsync(pace, buffer) is var read and > 0)
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

    private async ValueTask<int> ReadAsync(Pace pace, Memory<byte> buffer)
    {
        try
        {
            var read = await pace.ReadAsync(buffer);
            PullThroughMetrics.Fetched(source.Key, read);
            return read;
        }
        catch (IOException e)
        {
            _chunks = 0;
            Log.NoEarlyRange(table.Logger, fetch.Digest, e.Message);
            return 0;
        }
    }

    private bool IsOf(long? whole) => whole is null || fetch.Length is null || whole == fetch.Length;

    private async ValueTask GiveUpAsync()
    {
        _chunks = 0;
        if (_opened is not null) await _opened.DisposeAsync();
        _opened = null;
    }
}
