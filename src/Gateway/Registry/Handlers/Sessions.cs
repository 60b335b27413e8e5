using System.Globalization;
using Gateway.Configuration;
using Gateway.Repositories;
using Gateway.Storage;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>Upload sessions (distribution-spec, end-5, end-6, end-13, end-14).</summary>
internal static class Sessions
{
    /// <summary>
    /// Receives one chunk. It must begin where the session ends, according to <c>Content-Range</c> or to the Location that the client uses.
    /// </summary>
    public static async Task PatchAsync(Exchange x)
    {
        await using var upload = await TakeOverAsync(x);
        if (upload is null || await RequestBody.RefuseEncodedAsync(x)) return;
        if (await AppendChunkAsync(x, upload)) Continue(x, upload, Status202Accepted);
    }

    /// <summary>Ends the session, with or without a last chunk.</summary>
    public static async Task PutAsync(Exchange x)
    {
        await using var upload = await TakeOverAsync(x);
        if (upload is null || await RequestBody.RefuseEncodedAsync(x)) return;
        if (x.Target.Query.Digest.IsEmpty)
        {
            await x.FailAsync(RegistryErrorCode.DIGEST_INVALID, "an upload is closed with ?digest=, the digest of the whole blob");
            return;
        }
        if (await AppendChunkAsync(x, upload)) await CompleteAsync(x, upload, x.Target.Query.Digest);
    }

    /// <summary>Answers how many bytes the session has.</summary>
    public static async Task GetAsync(Exchange x)
    {
        await using var upload = await FindAsync(x);
        if (upload is not null) Continue(x, upload, Status204NoContent);
    }

    public static async Task DeleteAsync(Exchange x)
    {
        await using var upload = await TakeOverAsync(x);
        if (upload is null) return;
        await upload.CancelAsync();
        x.Empty(Status204NoContent);
    }

    /// <summary>The answer after which the client continues.</summary>
    public static void Continue(Exchange x, Upload upload, int status)
    {
        Place(x, upload);
        x.Empty(status);
    }

    /// <summary>The answer when the blob is stored.</summary>
    public static void Created(Exchange x, Digest digest)
    {
        x.Response.Headers.Location = Locations.Blob(x.Target, digest);
        x.Response.Headers[RegistryHeaders.ContentDigest] = digest.ToString();
        x.Empty(Status201Created);
    }

    /// <summary>
    /// Appends the body up to a limit; false when it is longer. Bytes that arrived before a client disconnected are kept.
    /// </summary>
    public static async Task<bool> AppendAsync(Exchange x, Upload upload, long most = long.MaxValue)
    {
        var before = upload.Length;
        try
        {
            await using var body = RequestBody.OfUpload(x);
            return await upload.AppendAsync(body, x.Aborted, most);
        }
        catch (IOException e) when (RequestBody.IsHangUp(e))
        {
            throw new OperationCanceledException(e.Message, e, x.Aborted);
        }
        finally
        {
            x.Record.BytesRead += upload.Length - before;
        }
    }

    /// <summary>Makes the upload a blob, and answers; false when it was refused.</summary>
    public static async Task<bool> CompleteAsync(Exchange x, Upload upload, Digest digest)
    {
        var answer = await RegistryFace.WriteAsync<Digest>(
            x, AccessActions.Push, async () => await x.Repository.CompleteUploadAsync(x.Caller, upload, digest, x.Aborted));
        if (answer is null) return false;
        if (answer is Answer<Digest>.Found found)
        {
            x.Note(found);
            Created(x, digest);
            return true;
        }
        await x.RefuseAsync(answer, RegistryErrorCode.BLOB_UPLOAD_UNKNOWN);
        return false;
    }

    // Null when the session was not found; then the client is answered.
    private static async Task<Upload?> FindAsync(Exchange x)
    {
        var answer = await x.Repository.FindUploadAsync(x.Caller, x.Target.Id, x.Aborted);
        if (answer is Answer<Upload>.Found { Value: var upload } found)
        {
            x.Note(found);
            return upload;
        }
        await x.RefuseAsync(answer, RegistryErrorCode.BLOB_UPLOAD_UNKNOWN);
        return null;
    }

    // As FindAsync, for a request that changes the session. It ends an earlier request, which the client has abandoned.
    private static async Task<Upload?> TakeOverAsync(Exchange x)
    {
        if (await FindAsync(x) is not { } upload) return null;
        if (await upload.TakeOverAsync(x.Aborted)) return upload;
        await x.FailAsync(
            RegistryErrorCode.BLOB_UPLOAD_UNKNOWN, $"upload session {x.Target.Id} has ended; ask for the blob, or begin another session");
        return null;
    }

    // False when the chunk was refused; then the client is answered.
    private static async Task<bool> AppendChunkAsync(Exchange x, Upload upload)
    {
        var header = x.Request.Headers.ContentRange;
        if (header.Count == 0)
        {
            if (!RequestBody.IsPresent(x.Request)) return true;
            if (x.Target.Offset is { } offset && offset != upload.Length)
            {
                await OutOfOrderAsync(x, upload);
                return false;
            }
            await AppendAsync(x, upload);
            return true;
        }
        if (header.Count > 1 || !ContentRange.TryParse(header[0], out var range) || range.First != upload.Length)
        {
            await OutOfOrderAsync(x, upload);
            return false;
        }

        var length = x.Request.ContentLength;
        // Bytes beyond the range are not the next part of the blob, so they are not kept.
        var isWhole = length is not null && length != range.Count ? false : await AppendAsync(x, upload, range.Count);
        if (isWhole && upload.Length == range.Last + 1) return true;

        var sent = length?.ToString(CultureInfo.InvariantCulture) ?? (isWhole ? $"{upload.Length - range.First}" : "more");
        await x.FailAsync(RegistryErrorCode.SIZE_INVALID, $"Content-Range says {range.Count} bytes, the body has {sent}");
        return false;
    }

    private static Task OutOfOrderAsync(Exchange x, Upload upload)
    {
        Place(x, upload);
        return x.FailAsync(
            RegistryErrorCode.BLOB_UPLOAD_INVALID,
            $"expected the bytes from {upload.Length} on, got others; send those to this answer's Location, or with Content-Range: "
                + $"{upload.Length}-<last byte>",
            status: Status416RangeNotSatisfiable);
    }

    // The header cannot express an empty session, so it has the value of a session of one byte (as in distribution).
    private static void Place(Exchange x, Upload upload)
    {
        var headers = x.Response.Headers;
        headers.Location = Locations.Session(x.Target, upload);
        headers.Range = $"0-{Math.Max(0, upload.Length - 1)}";
        headers[RegistryHeaders.UploadId] = upload.Id;
    }
}
