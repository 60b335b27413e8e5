using Gateway.Storage;
using Gateway.Transport;

namespace Gateway.PullThrough;

/// <summary>
/// A blob that passes through without being stored, because the volume has no room. Each reader has an upstream body of its own, hashed as
/// it passes.
/// </summary>
internal sealed class PassingContent : IContent
{
    private readonly FetchResources _resources;
    private readonly UpstreamRepository _source;
    private readonly IDisposable _place;
    private Whole? _whole;

    private PassingContent(FetchResources resources, Digest digest, long? length, UpstreamRepository source, IDisposable place) =>
        (_resources, Digest, Length, _source, _place) = (resources, digest, length, source, place);

    public Digest Digest { get; }

    public long? Length { get; private set; }

    public bool IsVerified => false;

    /// <summary>
    /// Opens the blob. For the whole blob, the upstream has answered when this returns. Throws <see cref="FetchException"/>.
    /// </summary>
    public static async Task<PassingContent> OpenAsync(
        FetchResources resources, Digest digest, long? length, UpstreamRepository source, BlobUseKind use,
        CancellationToken cancellationToken)
    {
        var content = new PassingContent(resources, digest, length, source, await resources.Places.EnterUnstoredAsync(cancellationToken));
        try
        {
            if (use == BlobUseKind.Whole) await content.OpenWholeAsync(cancellationToken);
            return content;
        }
        catch
        {
            await content.DisposeAsync();
            throw;
        }
    }

    public async ValueTask CopyToAsync(IBodyWriter writer, long offset, long? count, CancellationToken cancellationToken)
    {
        var isWhole = offset == 0 && (count is null || count == Length);
        // The client may request the whole blob as a range of unknown length, or as a range of its full length. The whole blob must be
        // verified.
        if (isWhole && _whole is null) await OpenWholeAsync(cancellationToken);
        if (isWhole && Interlocked.Exchange(ref _whole, null) is { } whole)
        {
            await using (whole) await whole.CopyToAsync(writer, _resources, _source, cancellationToken);
            return;
        }
        var end = count is { } n ? offset + n : Length;
        var sink = new PassingSink(Digest, offset, hash: null) { Writer = writer, Length = Length, End = end };
        await using var download = Into(sink);
        await download.RunAsync(cancellationToken);
    }

    /// <summary>Continues a response that followed a fetch until the volume was full, with the state of the fetch's hash.</summary>
    public static async Task ContinueAsync(
        FetchResources resources, BlobFetch fetch, ContentHash hash, long position, IBodyWriter writer,
        CancellationToken cancellationToken)
    {
        using var place = await resources.Places.EnterUnstoredAsync(cancellationToken);
        var sink = new PassingSink(fetch.Digest, position, hash) { Length = fetch.Part.Length };
        var source = fetch.Sources.Current;
        var isSuspect = resources.IsSuspect(fetch.Digest);
        await using var whole = new Whole(
            sink, new(fetch.Digest, new(source), sink, isSuspect, resources.Clock, resources.Logger), hash);
        await whole.CopyToAsync(writer, resources, source, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (_whole is not null) await _whole.DisposeAsync();
        _place.Dispose();
    }

    private async Task OpenWholeAsync(CancellationToken cancellationToken)
    {
        var hash = new ContentHash(Digest.Algorithm);
        var sink = new PassingSink(Digest, 0, hash) { Length = Length };
        _whole = new(sink, Into(sink), hash);
        await _whole.Download.OpenAsync(cancellationToken);
        Length = sink.Length;
    }

    private Download Into(PassingSink sink) =>
        new(Digest, new(_source), sink, _resources.IsSuspect(Digest), _resources.Clock, _resources.Logger);

    /// <summary>A hashed response up to the blob's end.</summary>
    private sealed class Whole(PassingSink sink, Download download, ContentHash hash) : IAsyncDisposable
    {
        public Download Download => download;

        public async Task CopyToAsync(
            IBodyWriter writer, FetchResources resources, UpstreamRepository source, CancellationToken cancellationToken)
        {
            sink.Writer = writer;
            await download.RunAsync(cancellationToken);
            try
            {
                await sink.FinishAsync(cancellationToken);
            }
            catch (FetchException e)
            {
                resources.Suspect(sink.Digest, download.Endpoint, source, e.Message);
                throw;
            }
        }

        public async ValueTask DisposeAsync()
        {
            await download.DisposeAsync();
            hash.Dispose();
        }
    }
}
