using Gateway.Storage;
using Gateway.Transport;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>Writes responses: status, the headers of every response, and at most one body.</summary>
internal static class Replies
{
    /// <summary>A response without a body.</summary>
    public static void Empty(this Exchange x, int status)
    {
        Begin(x, status);
        if (status != Status204NoContent && status != Status304NotModified) x.Response.ContentLength = 0;
    }

    /// <summary>A response with a complete body; headers only for HEAD.</summary>
    public static async Task WriteAsync(this Exchange x, int status, string contentType, ReadOnlyMemory<byte> body)
    {
        Begin(x, status);
        x.Response.ContentType = contentType;
        x.Response.ContentLength = body.Length;
        if (x.IsHead) return;
        x.Record.Began();
        await x.Response.BodyWriter.WriteAsync(body, x.Aborted);
        x.Record.BytesSent += body.Length;
    }

    /// <summary>A response whose body is content from an offset: to its end if there is no count; headers only for HEAD.</summary>
    /// <param name="length">Bytes of the body; null if not known yet.</param>
    public static async Task StreamAsync(
        this Exchange x, int status, string contentType, long? length, IContent content, long offset, long? count)
    {
        if (BeginStream(x, status, contentType, length) is not { } writer) return;
        try
        {
            await content.CopyToAsync(writer, offset, count, x.Aborted);
        }
        finally
        {
            x.Record.BytesSent += writer.BytesWritten;
        }
    }

    /// <summary>A response with several ranges, each with its own head; headers only for HEAD.</summary>
    public static async Task StreamAsync(this Exchange x, int status, MultipartRanges parts, IContent content)
    {
        if (BeginStream(x, status, parts.ContentType, parts.ContentLength) is not { } writer) return;
        try
        {
            for (var i = 0; i < parts.Ranges.Count; i++)
            {
                await writer.WriteAsync(parts.HeaderOf(i), x.Aborted);
                await content.CopyToAsync(writer, parts.Ranges[i].Offset, parts.Ranges[i].Count, x.Aborted);
            }
            await writer.WriteAsync(parts.End, x.Aborted);
        }
        finally
        {
            x.Record.BytesSent += writer.BytesWritten;
        }
    }

    // Null if there is no body to write.
    private static PipeBodyWriter? BeginStream(Exchange x, int status, string contentType, long? length)
    {
        Begin(x, status);
        x.Response.ContentType = contentType;
        x.Response.ContentLength = length;
        if (x.IsHead) return null;
        x.Record.Began();
        // Without a length the server frames the body (chunked), so that a file cannot be sent as it is.
        var files = length is null ? null : x.Response.HttpContext.Features.Get<IFileOutput>();
        return new(x.Response.BodyWriter, files, files is null ? null : x.Response.StartAsync);
    }

    private static void Begin(Exchange x, int status)
    {
        var headers = x.Response.Headers;
        x.Response.StatusCode = status;
        headers[RegistryHeaders.CacheStatus] = CacheStatus.Of(x.Handling, status);
        if (RequestBody.HasUnread(x.Request)) headers.Connection = "close";
        if (x.IsRouted && x.Target.Query.Namespace is { } ns) headers[RegistryHeaders.OciNamespace] = ns;
        if (x.Handling.Notice is { } warning) Warnings.Add(headers, warning);
        if (x.Target.Route is > Route.Unknown and < Route.Token) headers[RegistryHeaders.ApiVersion] = "registry/2.0";
    }
}
