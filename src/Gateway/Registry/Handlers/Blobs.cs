using System.Security.Cryptography;
using Gateway.Configuration;
using Gateway.Repositories;
using Gateway.Storage;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>Blobs (distribution-spec, end-2, end-10), whole or in ranges (RFC 9110 §14).</summary>
internal static class Blobs
{
    private const string MediaType = "application/octet-stream";

    public static async Task GetAsync(Exchange x)
    {
        var digest = x.Target.Digest;
        var known = Conditional.IsKnown(x.Request.Headers.IfNoneMatch, digest);
        var ranges = WantedRanges(x);
        var answer = await x.Repository.OpenBlobAsync(x.Caller, digest, Use(x.IsHead || known, ranges), x.Aborted);
        if (x.IsHead) answer = x.Repository.BeforePush(x.Caller, answer);
        if (answer is not Answer<IContent>.Found { Value: var content } found)
        {
            await x.RefuseAsync(answer, RegistryErrorCode.BLOB_UNKNOWN);
            return;
        }

        await using var open = content;
        x.Note(found);
        var headers = x.Response.Headers;
        headers[RegistryHeaders.ContentDigest] = digest.ToString();
        if (!x.IsHead && !known && await x.Repository.RedirectAsync(x.Caller, digest, x.Aborted) is { } there)
        {
            // The client reads the blob, so the disk gets no copy.
            x.Handling = found.Handling with { Stored = false };
            // The address is a secret for some minutes.
            headers.Location = there.AbsoluteUri;
            headers.CacheControl = "no-store";
            x.Empty(Status307TemporaryRedirect);
            return;
        }
        headers.ETag = Conditional.ETagOf(digest);
        headers.AcceptRanges = "bytes";
        headers.XContentTypeOptions = "nosniff";
        if (known) x.Empty(Status304NotModified);
        else await SendAsync(x, content, ranges);
    }

    public static Task DeleteAsync(Exchange x) => Manifests.DeleteAsync(
        x, async () => await x.Repository.DeleteBlobAsync(x.Caller, x.Target.Digest, x.Aborted), RegistryErrorCode.BLOB_UNKNOWN);

    // Range has a meaning only for GET (RFC 9110 §14.2).
    private static IReadOnlyList<RangeSpec> WantedRanges(Exchange x) =>
        !x.IsHead && x.Request.Headers.Range is { Count: 1 } range && Conditional.RangeHolds(x.Request.Headers.IfRange, x.Target.Digest)
            ? ByteRanges.Parse(range[0])
            : [];

    private static BlobUse Use(bool head, IReadOnlyList<RangeSpec> ranges) =>
        head ? BlobUse.Head
        : ranges.Count == 1 ? new(BlobUseKind.Range, ranges[0].First, ranges[0].Last)
        : BlobUse.Whole;

    private static Task SendAsync(Exchange x, IContent content, IReadOnlyList<RangeSpec> wanted)
    {
        // Without a length no range can be computed; the whole blob is always a correct response.
        if (wanted.Count == 0 || content.Length is not { } length || ByteRanges.Place(wanted, length) is not { } ranges)
        {
            return x.StreamAsync(Status200OK, MediaType, content.Length, content, 0, null);
        }
        if (ranges.Count == 0) return UnsatisfiableAsync(x, length);

        if (!content.IsVerified && x.Handling.Detail == CacheDetail.None) x.Handling = x.Handling with { Detail = CacheDetail.Unverified };
        return ranges.Count == 1 ? SendOneAsync(x, content, ranges[0], length) : SendSeveralAsync(x, content, ranges, length);
    }

    private static Task SendOneAsync(Exchange x, IContent content, ByteRange range, long length)
    {
        x.Response.Headers.ContentRange = $"bytes {range.Offset}-{range.Last}/{length}";
        return x.StreamAsync(Status206PartialContent, MediaType, range.Count, content, range.Offset, range.Count);
    }

    private static Task SendSeveralAsync(Exchange x, IContent content, IReadOnlyList<ByteRange> ranges, long length)
    {
        // Random, so that no content can contain it.
        var parts = new MultipartRanges(ranges, length, MediaType, RandomNumberGenerator.GetHexString(32, lowercase: true));
        return x.StreamAsync(Status206PartialContent, parts, content);
    }

    private static Task UnsatisfiableAsync(Exchange x, long length)
    {
        x.Response.Headers.ContentRange = $"bytes */{length}";
        return x.FailAsync(
            RegistryErrorCode.SIZE_INVALID,
            $"expected a range within the blob's {length} bytes, got none; send another Range",
            status: Status416RangeNotSatisfiable);
    }
}
