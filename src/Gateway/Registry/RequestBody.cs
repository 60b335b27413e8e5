using System.Buffers;
using Gateway.Repositories;
using Gateway.Storage;
using Microsoft.AspNetCore.Http.Features;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>Bodies that clients send: never decoded, and never larger than was said.</summary>
internal static class RequestBody
{
    /// <summary>Reads a whole body; null when it has more than <paramref name="maxBytes"/>.</summary>
    public static async ValueTask<byte[]?> ReadAsync(HttpRequest request, int maxBytes, CancellationToken cancellationToken)
    {
        if (request.ContentLength > maxBytes) return null;
        var body = new ArrayBufferWriter<byte>((int)(request.ContentLength ?? 0) + 1);
        while (body.WrittenCount <= maxBytes)
        {
            // One byte of room more than a full body needs, so that its end is seen without growing.
            var read = await ReadAsync(request.Body, body.GetMemory(1), cancellationToken);
            if (read == 0) return body.WrittenSpan.ToArray();
            body.Advance(read);
        }
        return null;
    }

    /// <summary>
    /// Whether a body could not be read because its client hung up, which who reads may hear of before the request is told. What is wrong
    /// with the body itself is a <see cref="BadHttpRequestException"/>, and a full volume is not the client's.
    /// </summary>
    public static bool IsHangUp(IOException e) => e is not (BadHttpRequestException or StoreReadOnlyException);

    private static async ValueTask<int> ReadAsync(Stream body, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await body.ReadAsync(buffer, cancellationToken);
        }
        catch (IOException e) when (IsHangUp(e))
        {
            throw new OperationCanceledException(e.Message, e, cancellationToken);
        }
    }

    /// <summary>Whether the request has a body at all; one without a stated length may turn out empty.</summary>
    public static bool IsPresent(HttpRequest request) => request.ContentLength > 0 || (request.ContentLength is null && HasBody(request));

    /// <summary>
    /// Whether some of the body is left unread. The server drains that, but not when the client hangs up meanwhile: then it takes the rest
    /// for the next request (Kestrel 10.0.12), which nobody asked for. So a connection ends with the request that leaves some.
    /// </summary>
    public static bool IsLeft(HttpRequest request)
    {
        if (!HasBody(request) || HttpProtocol.IsHttp2(request.Protocol)) return false;
        // To look would ask the client to send it (RFC 9110 §10.1.1).
        if (request.Headers.Expect.Count > 0) return true;
        try
        {
            if (!request.BodyReader.TryRead(out var read)) return true;
            var isLeft = !read.IsCompleted || !read.Buffer.IsEmpty;
            request.BodyReader.AdvanceTo(read.Buffer.Start);
            return isLeft;
        }
        catch (Exception e) when (e is IOException or InvalidOperationException or OperationCanceledException)
        {
            return true;
        }
    }

    private static bool HasBody(HttpRequest request) =>
        request.HttpContext.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true };

    /// <summary>Refuses a body with a content coding (415): the digest is always that of the bytes as sent.</summary>
    public static async Task<bool> RefuseEncodedAsync(Exchange x)
    {
        var encoding = x.Request.Headers.ContentEncoding;
        if (encoding.Count == 0 || (encoding.Count == 1 && encoding[0] is null or "" or "identity")) return false;
        await x.FailAsync(
            RegistryErrorCode.UNSUPPORTED, "a body must be sent as it is, without Content-Encoding", status: Status415UnsupportedMediaType);
        return true;
    }
}
