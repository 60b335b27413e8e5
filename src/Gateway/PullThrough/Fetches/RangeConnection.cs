using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// One connection that reads one closed range of a blob, beside a fetch. It never retries, and nothing is held against an upstream that
/// does not answer with the range: the upstream may not know ranges, or want fewer connections.
/// </summary>
internal sealed class RangeConnection : IAsyncDisposable
{
    private readonly Wanted _wanted;
    private readonly UpstreamRepository _source;
    private readonly UpstreamResponse _response;
    private readonly ILogger _logger;
    private readonly Pace _pace;

    private RangeConnection(
        UpstreamRepository source, Wanted wanted, UpstreamResponse response, TimeProvider clock, ILogger logger,
        CancellationToken cancellationToken)
    {
        (_source, _wanted, _response, _logger) = (source, wanted, response, logger);
        _pace = new(response.Body, clock, cancellationToken);
    }

    /// <summary>A range, and the content that it must belong to.</summary>
    /// <param name="Length">Bytes of the whole content; null when unknown.</param>
    /// <param name="ETag">A strong one of the content; null when unknown.</param>
    /// <param name="Except">The endpoint to try last; null for none.</param>
    internal sealed record Wanted(Digest Digest, long First, long Last, long? Length, string? ETag, Uri? Except);

    /// <summary>The first byte of the answer.</summary>
    public long First => _response.ContentRange!.Value.First;

    /// <summary>One past the last byte of the answer, which can end before the wanted range.</summary>
    public long End => _response.ContentRange!.Value.Last + 1;

    /// <summary>Asks for a range; null when the upstream does not answer with it.</summary>
    /// <param name="cancellationToken">Also ends reads.</param>
    public static async Task<RangeConnection?> OpenAsync(
        UpstreamRepository source, Wanted wanted, TimeProvider clock, ILogger logger, CancellationToken cancellationToken)
    {
        try
        {
            var response = await source.GetOptionalRangeAsync(
                wanted.Digest, (wanted.First, wanted.Last), wanted.ETag, wanted.Except, cancellationToken);
            // A range of encoded content is a range of other bytes.
            if (response.Status == 206 && response.Codings.IsEmpty && response.ContentRange is { } got && got.First == wanted.First
                && (got.Whole is null || wanted.Length is null || got.Whole == wanted.Length))
                return new(source, wanted, response, clock, logger, cancellationToken);
            Log.NoRange(
                logger, wanted.Digest, $"upstream {source.Key} answered {response.Status} to bytes {wanted.First}-{wanted.Last}");
            await response.DisposeAsync();
        }
        catch (UpstreamException e)
        {
            Log.NoRange(logger, wanted.Digest, e.Message);
        }
        return null;
    }

    /// <summary>Reads some bytes; 0 at the end, and when the connection breaks or stalls.</summary>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer)
    {
        try
        {
            var read = await _pace.ReadAsync(buffer);
            PullThroughMetrics.Fetched(_source.Key, read);
            return read;
        }
        catch (IOException e)
        {
            Log.NoRange(_logger, _wanted.Digest, e.Message);
            return 0;
        }
    }

    public ValueTask DisposeAsync()
    {
        _pace.Dispose();
        return _response.DisposeAsync();
    }
}
