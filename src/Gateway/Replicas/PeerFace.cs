using System.Globalization;
using Gateway.Configuration;
using Gateway.PullThrough;
using Gateway.Storage;
using Gateway.Transport;
using Microsoft.Net.Http.Headers;

namespace Gateway.Replicas;

/// <summary>
/// Answers other replicas. A replica that signs with the secret of the set gets any content by its digest. It asks only for what an
/// upstream vouched for at its own request, so content is shared and permission is not.
/// </summary>
internal sealed class PeerFace(
    ReplicaOptions options, PeerSignature signature, SharedFetches fetches, News news, ChangeNews changes, IContentLookup contents,
    NamedManifests named, ILogger<PeerFace> logger)
    : IDisposable
{
    // Chosen: longer than a replica needs from Redis' answer to its next step, and shorter than the asker waits.
    private static readonly TimeSpan DecidesWithin = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _stopping = new();

    /// <summary>Ends every answer, so that other replicas look for another source at once.</summary>
    public Task StopAsync() => _stopping.CancelAsync();

    public void Dispose() => _stopping.Dispose();

    public async Task AnswerAsync(HttpContext context)
    {
        var (request, response) = (context.Request, context.Response);
        var target = $"{request.Path}{request.QueryString}";
        if (!signature.IsSigned(request.Headers.Authorization.ToString(), request.Method, request.Headers.Host.ToString(), target))
        {
            Log.Unsigned(logger, context.Connection.RemoteIpAddress?.ToString() ?? "an unknown address");
            ReplicaMetrics.RefusedPeer();
            response.StatusCode = StatusCodes.Status401Unauthorized;
            return;
        }
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _stopping.Token);
        try
        {
            if (request.Path.Value is { } path && path.StartsWith(PeerPaths.ContentPrefix, StringComparison.Ordinal)
                && Digest.TryParse(path.AsSpan(PeerPaths.ContentPrefix.Length), out var digest)
                && (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method)))
                await ContentAsync(context, digest, end.Token);
            else if (request.Path.Value is { } asked && asked.StartsWith(PeerPaths.NamingPrefix, StringComparison.Ordinal)
                && Digest.TryParse(asked.AsSpan(PeerPaths.NamingPrefix.Length), out var content) && HttpMethods.IsGet(request.Method)
                && RepositoryName.TryParse(request.Query["name"].ToString(), out var repository))
            {
                var digests = await named.FindAsync(request.Query["upstream"].ToString(), repository, content, end.Token);
                await response.WriteAsync(string.Join('\n', digests), end.Token);
            }
            else if (request.Path == PeerPaths.PurgePath && HttpMethods.IsPost(request.Method))
            {
                // It goes on when the other replica does not wait any longer; that one tells it again.
                await news.HearAsync(request.Query["id"].ToString(), request.Query["what"].ToString(), _stopping.Token)
                    .WaitAsync(end.Token);
            }
            else if (request.Path == PeerPaths.ChangedPath && HttpMethods.IsPost(request.Method) && changes.Hear is { } hear)
            {
                foreach (var name in request.Query["name"].OfType<string>().Take(ChangeNews.MostNames)) hear(name);
            }
            else response.StatusCode = StatusCodes.Status404NotFound;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The other replica continues elsewhere from the bytes that it has.
            if (response.HasStarted) context.Abort();
            else response.StatusCode = StatusCodes.Status404NotFound;
        }
    }

    private async Task ContentAsync(HttpContext context, Digest digest, CancellationToken cancellationToken)
    {
        using var deciding = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        // The asker of a HEAD waits for its probe alone; an answer that comes too late would count as none. A bucket can be silent.
        var isHead = HttpMethods.IsHead(context.Request.Method);
        if (isHead) deciding.CancelAfter(options.Timeout / 2);
        if (fetches.Find(digest) is { } shared && await ServingAsync(shared, isHead, deciding.Token) is { } serving)
        {
            using var both = CancellationTokenSource.CreateLinkedTokenSource(serving, cancellationToken);
            if (!shared.Fetch.TryJoin(source: null))
            {
                context.Response.StatusCode = StatusCodes.Status404NotFound;
                return;
            }
            try
            {
                await FromFetchAsync(context, shared.Fetch, both.Token);
            }
            finally
            {
                await shared.Fetch.LeaveAsync();
            }
            return;
        }
        await using var content = await contents.OpenAsync(digest, -1, deciding.Token);
        if (content?.Length is not { } length)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }
        context.Response.Headers[PeerPaths.Whole] = "true";
        if (!Head(context, length, length, out var from)) return;
        await content.CopyToAsync(new PipeBodyWriter(context.Response.BodyWriter), from, length - from, cancellationToken);
        ReplicaMetrics.Sent(length - from);
    }

    private static async Task<CancellationToken?> ServingAsync(SharedFetch shared, bool isHead, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (!isHead) limit.CancelAfter(DecidesWithin);
        return await shared.ServesAsync(limit.Token);
    }

    private static async Task FromFetchAsync(HttpContext context, BlobFetch fetch, CancellationToken cancellationToken)
    {
        var part = fetch.Part;
        if (HttpMethods.IsHead(context.Request.Method))
        {
            context.Response.Headers[PeerPaths.Position] = part.Readable.ToString(CultureInfo.InvariantCulture);
            if (part.IsVerified) context.Response.Headers[PeerPaths.Whole] = "true";
            return;
        }
        await fetch.Started.WaitAsync(cancellationToken);
        // Without a length there is no range; then the follower waits for the end.
        if (part.Length is null) await fetch.Verified.WaitAsync(cancellationToken);
        if (!Head(context, part.Length!.Value, part.Readable, out var at)) return;
        await context.Response.StartAsync(cancellationToken);
        var writer = new PipeBodyWriter(context.Response.BodyWriter);
        for (var end = part.Length.Value; at < end;)
        {
            var readable = await part.WaitBeyondAsync(at, cancellationToken);
            if (readable <= at) return;
            await writer.SendFileAsync(part.Handle, at, readable - at, cancellationToken);
            ReplicaMetrics.Sent(readable - at);
            at = readable;
        }
    }

    /// <summary>Writes the head of the answer; false if there is no body.</summary>
    private static bool Head(HttpContext context, long length, long position, out long from)
    {
        var response = context.Response;
        response.Headers[PeerPaths.Position] = position.ToString(CultureInfo.InvariantCulture);
        from = 0;
        if (HttpMethods.IsHead(context.Request.Method)) return false;
        if (RangeHeaderValue.TryParse(context.Request.Headers.Range.ToString(), out var range) && range.Ranges.First().From is { } first)
            from = first;
        if (from >= length)
        {
            response.StatusCode = StatusCodes.Status416RangeNotSatisfiable;
            response.Headers.ContentRange = $"bytes */{length}";
            return false;
        }
        response.StatusCode = StatusCodes.Status206PartialContent;
        response.Headers.ContentRange = $"bytes {from}-{length - 1}/{length}";
        response.ContentLength = length - from;
        return true;
    }
}
