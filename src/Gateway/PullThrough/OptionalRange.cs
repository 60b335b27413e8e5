using Gateway.Oci;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// A closed range that is asked for beside a fetch. Only an optimisation: an upstream that does not play along, because it knows no ranges
/// or wants fewer connections, is left in peace, and nothing is held against it.
/// </summary>
internal sealed class OptionalRange : IAsyncDisposable
{
    private readonly FetchTable _table;
    private readonly Digest _digest;
    private readonly UpstreamResponse _response;
    private readonly UpstreamRepository _source;
    private readonly Pace _pace;

    private OptionalRange(
        FetchTable table, Digest digest, UpstreamResponse response, UpstreamRepository source, CancellationToken cancellationToken)
    {
        (_table, _digest, _response, _source) = (table, digest, response, source);
        _pace = new(response.Body, table.Clock, cancellationToken);
    }

    /// <summary>One past the last byte that comes.</summary>
    public long End => _response.ContentRange!.Value.Last + 1;

    public long First => _response.ContentRange!.Value.First;

    /// <summary>Asks for it; null when the upstream does not give it.</summary>
    /// <param name="etag">Of the content that the range must belong to; null when unknown.</param>
    /// <param name="cancellationToken">Of the asking and of the reading.</param>
    public static async Task<OptionalRange?> OpenAsync(
        FetchTable table, BlobFetch fetch, UpstreamRepository source, (long First, long Last) range, string? etag,
        CancellationToken cancellationToken)
    {
        var digest = fetch.Digest;
        try
        {
            var response = await source.GetOptionalRangeAsync(digest, range, etag, fetch.Sources.Except, cancellationToken);
            // Of coded content it would be a part of something else.
            if (response.Status == 206 && response.Codings.IsEmpty && response.ContentRange is { } got && got.First == range.First
                && (got.Whole is null || fetch.Length is null || got.Whole == fetch.Length))
                return new(table, digest, response, source, cancellationToken);
            Log.NoRange(table.Logger, digest, $"upstream {source.Key} answered {response.Status} to bytes {range.First}-{range.Last}");
            await response.DisposeAsync();
        }
        catch (UpstreamException e)
        {
            Log.NoRange(table.Logger, digest, e.Message);
        }
        return null;
    }

    /// <summary>Reads some bytes; 0 at the end and when it breaks off.</summary>
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
            Log.NoRange(_table.Logger, _digest, e.Message);
            return 0;
        }
    }

    public ValueTask DisposeAsync()
    {
        _pace.Dispose();
        return _response.DisposeAsync();
    }
}
