using Gateway.Access;
using Gateway.Repositories;
using Gateway.Storage;
using Gateway.Transport;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>Bodies that clients send. They are never decoded, and never larger than announced.</summary>
internal static class RequestBody
{
    // Most manifests fit; for a larger one the memory doubles while it is received.
    private const int FirstBytes = 4 * 1024;

    /// <summary>
    /// Reads a whole body; null when it has more than <paramref name="maxBytes"/>. Its memory belongs to the receipt, and grows with
    /// what was received, whatever length was announced. Throws <see cref="DocumentBudgetException"/> when no memory remains.
    /// </summary>
    public static async ValueTask<byte[]?> ReadAsync(
        HttpRequest request, int maxBytes, DocumentBudget.Receipt receipt, CancellationToken cancellationToken)
    {
        var most = request.ContentLength ?? maxBytes;
        if (most > maxBytes) return null;
        var body = Sized([], (int)Math.Min(FirstBytes, most));
        var beyond = new byte[1];
        for (var length = 0; ;)
        {
            // A full body must have ended, so only its end is read.
            var isFull = length == most;
            var read = await ReadAsync(request.Body, isFull ? beyond : body.AsMemory(length), cancellationToken);
            if (read == 0) return length == body.Length ? body : Sized(body, length);
            if (isFull) return null;
            length += read;
            if (length == body.Length && length < most) body = Sized(body, (int)Math.Min(2L * length, most));
        }

        byte[] Sized(byte[] from, int size)
        {
            receipt.Take(size);
            var sized = new byte[size];
            from.AsSpan(0, Math.Min(from.Length, size)).CopyTo(sized);
            receipt.Give(from.Length);
            return sized;
        }
    }

    /// <summary>Begins to receive a body. Its memory counts for the sender: the account, or the address of an anonymous client.</summary>
    public static DocumentBudget.Receipt Receive(Exchange x) => DocumentBudget.OfProcess.Receive(
        x.Identity is Identity.Known known ? known.Actor : ClientAddress.GroupOf(x.RemoteAddress).ToString());

    /// <summary>
    /// Whether a body could not be read because its client disconnected. A reader can learn that before the request does. A fault of
    /// the body itself is a <see cref="BadHttpRequestException"/>, and a full volume is not the fault of the client.
    /// </summary>
    public static bool IsHangUp(IOException e) => e is not (
        BadHttpRequestException or StoreReadOnlyException or DocumentBudgetException or UploadTakenOverException);

    /// <summary>
    /// The body of an upload. Its sender can pause for <c>limits.uploadPause</c>, and can be slow without limit: meanwhile it uses a
    /// connection and a session, and the number of both is limited.
    /// </summary>
    public static ClientBody OfUpload(Exchange x)
    {
        if (x.Request.HttpContext.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate) rate.MinDataRate = null;
        return new(x.Request.BodyReader, x.Snapshot.Options.Limits.UploadPause, x.Clock);
    }

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

    /// <summary>Whether the request has a body; a body without a stated length can be empty.</summary>
    public static bool IsPresent(HttpRequest request) => request.ContentLength > 0 || (request.ContentLength is null && HasBody(request));

    /// <summary>
    /// Whether a part of the body was not read. The server drains it, but not if the client disconnects meanwhile: then it takes the
    /// rest for the next request (Kestrel 10.0.12), which no client sent. So the connection ends with such a request.
    /// </summary>
    public static bool HasUnread(HttpRequest request)
    {
        if (!HasBody(request) || HttpProtocol.IsHttp2(request.Protocol)) return false;
        // A read would make the client send it (RFC 9110 §10.1.1).
        if (request.Headers.Expect.Count > 0) return true;
        try
        {
            if (!request.BodyReader.TryRead(out var read)) return true;
            var hasUnread = !read.IsCompleted || !read.Buffer.IsEmpty;
            request.BodyReader.AdvanceTo(read.Buffer.Start);
            return hasUnread;
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
