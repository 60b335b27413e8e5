using System.Globalization;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Repositories;
using Gateway.Storage;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>Upload sessions (distribution-spec, end-5, end-6, end-13, end-14).</summary>
internal static class Sessions
{
    /// <summary>
    /// One chunk, streamed to its end. It must begin where the session ends, as <c>Content-Range</c> says, or else the Location in use.
    /// </summary>
    public static async Task PatchAsync(Exchange x)
    {
        await using var upload = await TakeOverAsync(x);
        if (upload is null || await RequestBody.RefuseEncodedAsync(x)) return;
        if (await AppendChunkAsync(x, upload)) Continue(x, upload, Status202Accepted);
    }

    /// <summary>The end, with the last chunk or without one.</summary>
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

    /// <summary>An answer that lets the client go on.</summary>
    public static void Continue(Exchange x, Upload upload, int status)
    {
        Place(x, upload);
        x.Empty(status);
    }

    /// <summary>The answer to a blob that is now there.</summary>
    public static void Created(Exchange x, Digest digest)
    {
        x.Response.Headers.Location = Locations.Blob(x.Target, digest);
        x.Response.Headers[RegistryHeaders.ContentDigest] = digest.ToString();
        x.Empty(Status201Created);
    }

    /// <summary>
    /// Appends the body, at most so many bytes of it; false when it has more. What arrives before a client hangs up stays received.
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

    // Null: not found, and answered.
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

    // As FindAsync, for a request that changes the session: the one before it, which the client has given up, is ended.
    private static async Task<Upload?> TakeOverAsync(Exchange x)
    {
        if (await FindAsync(x) is not { } upload) return null;
        if (await upload.TakeOverAsync(x.Aborted)) return upload;
        await x.FailAsync(
            RegistryErrorCode.BLOB_UPLOAD_UNKNOWN, $"upload session {x.Target.Id} has ended; ask for the blob, or begin another session");
        return null;
    }

    // False: refused, and answered.
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
        // What goes beyond the range is not the blob's next part: it is not kept.
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

    // An empty session says 0-0, as a session of one byte does: the form has no other way (distribution does the same).
    private static void Place(Exchange x, Upload upload)
    {
        var headers = x.Response.Headers;
        headers.Location = Locations.Session(x.Target, upload);
        headers.Range = $"0-{Math.Max(0, upload.Length - 1)}";
        headers[RegistryHeaders.UploadId] = upload.Id;
    }
}
