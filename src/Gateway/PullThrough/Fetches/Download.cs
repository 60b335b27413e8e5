using System.Buffers;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// Downloads one blob from its upstream into a sink. A download that breaks or stalls is resumed at the sink's position by a closed range
/// (some registries refuse open ones), first from another endpoint or source. If a range is refused, the whole blob is requested and bytes
/// that the sink has are skipped. Only the sink knows the digest.
/// </summary>
/// <param name="isSuspect">
/// Whether wrong bytes were received for the digest lately. Then an ambiguous content coding is interpreted the other way.
/// </param>
internal sealed class Download(
    Digest digest, FetchSources sources, IDownloadSink sink, bool isSuspect, TimeProvider clock, ILogger logger) : IAsyncDisposable
{
    // Tried on loopback with 128 and 256 KiB: fewer wake-ups of readers, and it still fits a core's cache between read, write and hash.
    private const int BufferSize = 256 * 1024;

    // While the length is unknown, a closed range must end somewhere; the response's Content-Range then states the length.
    private const long ProbeRange = 4 << 20;

    // Chosen: decoded content whose size no manifest states may be a bomb (1,000 to 1); clients request few blobs without a manifest.
    private const long LongestUnannounced = 64 << 20;

    private readonly Backoff _backoff = new(clock);

    // Whether the content coding is removed. An offset in the blob is then no offset in the upstream's bytes, so ranges cannot be used.
    private bool _decodes;
    private bool _othersTurn = isSuspect;
    private UpstreamResponse? _first;

    // Set after a refused range: an upstream, or the store that it redirects to, refuses further ranges too.
    private bool _refusesRanges;

    /// <summary>The ETag of the last response, if it is a strong one.</summary>
    public string? ETag { get; private set; }

    /// <summary>
    /// Bytes of the whole blob as the first response announced them; null if it did not. With a content coding, it is unclear whether the
    /// length is that of the coded or the decoded content.
    /// </summary>
    public long? Announced => _first is { Status: 200, Codings.IsEmpty: true } first ? first.Length : null;

    /// <summary>The endpoint that answered last.</summary>
    public Uri? Endpoint { get; private set; }

    /// <summary>
    /// Sends the first request, so that a failure is known before the response to the client begins. Throws <see cref="FetchException"/>;
    /// the same source is not tried again, because the upstream has tried its endpoints.
    /// </summary>
    public async Task OpenAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                _first = await RequestAsync(cancellationToken);
                return;
            }
            catch (FetchException e) when (sources.MoveOn(e))
            {
                Log.SourceFailed(logger, digest, e.Message);
            }
        }
    }

    /// <summary>
    /// Runs to the sink's end; can be called again after the end has moved. Throws <see cref="FetchException"/> if no source has the bytes,
    /// and what the sink throws.
    /// </summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var response = Interlocked.Exchange(ref _first, null);
        while (!IsAtEnd)
        {
            var from = sink.Position;
            TimeSpan? pause;
            try
            {
                response ??= await RequestAsync(cancellationToken);
                await CopyAsync(response, cancellationToken);
                if (IsAtEnd) return;
                throw Broken($"expected {(sink.Length is { } all ? $"{all}" : "more")} bytes, got {sink.Position}", null);
            }
            catch (FetchException e) when (e.Failure is FetchFailure.Unavailable or FetchFailure.Absent)
            {
                if (response is not null) sources.Current.Report(response.Endpoint, wrong: false);
                if (!_backoff.MayRetry(sink.Position - from)) throw;
                pause = e.RetryAfter;
                sources.Except = response?.Endpoint;
                sources.MoveOn(e);
                PullThroughMetrics.FetchResumes.Add(1);
                Log.Resuming(logger, digest, sources.Current.Key, sink.Position, e.Message);
            }
            finally
            {
                if (response is not null) await response.DisposeAsync();
                response = null;
            }
            await _backoff.WaitAsync(pause, cancellationToken);
        }
    }

    public ValueTask DisposeAsync() => _first?.DisposeAsync() ?? ValueTask.CompletedTask;

    private bool IsAtEnd => _ended || sink.Position == (sink.End ?? sink.Length);

    // Set when a body of unknown length has ended properly, as its framing requires.
    private bool _ended;

    private async Task<UpstreamResponse> RequestAsync(CancellationToken cancellationToken)
    {
        if (!_refusesRanges && RangeWanted() is { } wanted)
        {
            try
            {
                return await AskAsync(wanted, cancellationToken);
            }
            catch (FetchException e) when (e.Failure is FetchFailure.Absent || e.IsOfRange)
            {
                _refusesRanges = true;
                Log.RangeRefused(logger, digest, sources.Current.Key, sink.Position, e.Message);
            }
        }
        return await AskAsync(null, cancellationToken);
    }

    private async Task<UpstreamResponse> AskAsync((long First, long Last)? range, CancellationToken cancellationToken)
    {
        UpstreamResponse response;
        try
        {
            response = await sources.Current.GetBlobAsync(
                digest, range, range is null ? null : ETag, sources.Except, cancellationToken);
        }
        catch (UpstreamException e) when (range is not null && IsOfRange(e))
        {
            throw new FetchException(FetchFailure.Unavailable, e.Message, e) { IsOfRange = true };
        }
        catch (UpstreamException e)
        {
            var failure = e.Failure == UpstreamFailure.Unauthorized ? FetchFailure.Absent : FetchFailure.Unavailable;
            throw new FetchException(failure, e.Message, e);
        }
        try
        {
            Check(response, range);
            sources.Worked();
            Endpoint = response.Endpoint;
            ETag = response.ETag is ['"', ..] strong ? strong : null;
            return response;
        }
        catch
        {
            await response.DisposeAsync();
            throw;
        }
    }

    /// <summary>Whether a request without a range may succeed after one with a range failed.</summary>
    private static bool IsOfRange(UpstreamException e) =>
        e.IsOfRequest || (e.Failure == UpstreamFailure.Unavailable && e.Status is >= 400 and < 500 and not 408 and not 429);

    private (long First, long Last)? RangeWanted()
    {
        if (_decodes || (sink.Position == 0 && sink.End is null)) return null;
        var end = sink.End ?? sink.Length ?? sink.Position + ProbeRange;
        return (sink.Position, end - 1);
    }

    private void Check(UpstreamResponse response, (long First, long Last)? range)
    {
        _decodes = MustDecode(response);
        var whole = response.Status switch
        {
            200 => _decodes ? null : response.Length,
            206 when range is { } wanted && response.ContentRange is { } got && got.First == wanted.First => got.Whole,
            // The part is discarded; the next request starts a new one.
            416 when sink.Length is null => throw new FetchException(
                FetchFailure.Wrong, $"upstream {sources.Current.Key} has fewer than the {sink.Position} received bytes of {digest}"),
            404 => throw new FetchException(FetchFailure.Absent, $"upstream {sources.Current.Key} does not have {digest}"),
            var status when range is { } r => throw new FetchException(
                FetchFailure.Unavailable, $"upstream {sources.Current.Key} answered {status} to bytes {r.First}-{r.Last} of {digest}")
            {
                IsOfRange = true,
            },
            var status => throw Broken($"expected 200 for the whole blob, got {status}", null),
        };
        if (response.Status == 200 && whole < sink.Position)
            throw new FetchException(
                FetchFailure.Wrong,
                $"upstream {sources.Current.Key} has {whole} bytes of {digest}, fewer than the {sink.Position} received");
        if (whole is null) return;
        if (sink.Length is { } known && known != whole)
        {
            throw new FetchException(
                FetchFailure.Wrong,
                $"expected {known} bytes for {digest}, got a length of {whole} from upstream {sources.Current.Key}");
        }
        sink.Length = whole;
    }

    /// <summary>
    /// Some stores label files <c>gzip</c> that were pushed compressed, and some proxies compress in transit; the known size tells which it
    /// is. Without it, a Content-Length means a stored file, because a proxy that compresses does not know it. A digest mismatch reverses
    /// that choice.
    /// </summary>
    private bool MustDecode(UpstreamResponse response)
    {
        if (response.Status != 200 || !ContentEncodings.CanDecode(response.Codings)) return false;
        if (sink.Length is { } known && response.Length is { } said) return known != said;
        return response.Length is null != _othersTurn;
    }

    private async Task CopyAsync(UpstreamResponse response, CancellationToken cancellationToken)
    {
        // A server that ignores the range sends earlier bytes again; the digest detects a difference.
        var skip = response.Status == 200 ? sink.Position : 0;
        // Two in turn: the sink hashes one while the other is filled.
        var (buffer, other) = (ArrayPool<byte>.Shared.Rent(BufferSize), ArrayPool<byte>.Shared.Rent(BufferSize));
        try
        {
            var body = _decodes ? ContentEncodings.Decode(response.Body, response.Codings) : response.Body;
            using var pace = new Pace(body, clock, cancellationToken);
            while (!IsAtEnd)
            {
                var read = await ReadAsync(pace, buffer);
                if (_decodes && sink.Length is null && sink.Position + read > LongestUnannounced)
                {
                    throw Undecodable(
                        $"has more than {LongestUnannounced} bytes when decoded, and no manifest states its size");
                }
                if (read == 0)
                {
                    // Without a length, the end of a chunked body is the blob's end. A closed connection looks the same as a cut; the
                    // digest detects a cut.
                    _ended = sink.Length is null && response.Status == 200;
                    return;
                }
                var skipped = (int)Math.Min(skip, read);
                skip -= skipped;
                await sink.WriteAsync(Wanted(buffer.AsMemory(skipped, read - skipped)), cancellationToken);
                (buffer, other) = (other, buffer);
            }
        }
        finally
        {
            try
            {
                await sink.FlushAsync();
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
                ArrayPool<byte>.Shared.Return(other);
            }
        }
    }

    private async ValueTask<int> ReadAsync(Pace pace, Memory<byte> buffer)
    {
        try
        {
            var read = await pace.ReadAsync(buffer);
            PullThroughMetrics.Fetched(sources.Current.Key, read);
            return read;
        }
        catch (IOException e)
        {
            throw Broken($"{e.Message} at byte {sink.Position} of {sink.Length}", e);
        }
        catch (InvalidDataException e)
        {
            if (sink.Position > 0) throw Undecodable($"has a content coding that is broken at byte {sink.Position}: {e.Message}");
            // Only a label.
            _othersTurn = !_othersTurn;
            throw Broken("its content is not encoded, although it is labeled so", e);
        }
    }

    // Never beyond the blob: some servers send an error document after a cut body (seen: 70 bytes of it).
    private ReadOnlyMemory<byte> Wanted(ReadOnlyMemory<byte> bytes) =>
        (sink.End ?? sink.Length) is { } end && end - sink.Position < bytes.Length ? bytes[..(int)(end - sink.Position)] : bytes;

    private FetchException Undecodable(string what) => new(FetchFailure.Wrong, $"{digest} from upstream {sources.Current.Key} {what}");

    private FetchException Broken(string what, Exception? inner) =>
        new(FetchFailure.Unavailable, $"upstream {sources.Current.Key} cut {digest} short: {what}", inner);
}
