using System.Collections.Immutable;
using System.IO.Compression;
using System.Net.Http.Headers;

namespace Gateway.Upstream;

/// <summary>
/// Undoes content codings (RFC 9110 §8.4). The gateway asks for none, and yet some answers have them: a proxy compresses, or a store
/// calls a file <c>gzip</c> that a client pushed so, and which must stay as it is.
/// </summary>
public static class ContentEncodings
{
    // Chosen: none was seen with more than one.
    private const int Most = 2;

    /// <summary>The codings of an answer, in the order in which they were applied, in lower case; empty where it has none.</summary>
    public static ImmutableArray<string> Of(HttpContentHeaders headers) =>
        [.. headers.ContentEncoding.Select(c => c.ToLowerInvariant()).Where(c => c != "identity")];

    /// <summary>Whether all of them can be undone; S3's <c>aws-chunked</c> is none that changes the bytes.</summary>
    public static bool CanDecode(ImmutableArray<string> codings) =>
        codings.Length is > 0 and <= Most && codings.All(c => c is "gzip" or "x-gzip" or "br" or "deflate");

    /// <summary>The decoded content. What it throws for bytes that are not of the coding is <see cref="InvalidDataException"/>.</summary>
    public static Stream Decode(Stream body, ImmutableArray<string> codings)
    {
        for (var i = codings.Length - 1; i >= 0; i--)
        {
            body = codings[i] switch
            {
                "br" => new BrotliStream(body, CompressionMode.Decompress),
                // RFC 9110 §8.4.1.2: in zlib's format.
                "deflate" => new ZLibStream(body, CompressionMode.Decompress),
                _ => new GZipStream(body, CompressionMode.Decompress),
            };
        }
        return body;
    }

    /// <summary>
    /// The decoded bytes of a small document; null where it has no coding, one that cannot be undone, or more than <paramref name="limit"/>
    /// bytes.
    /// </summary>
    public static async Task<byte[]?> DecodeAsync(byte[] bytes, ImmutableArray<string> codings, int limit)
    {
        if (!CanDecode(codings)) return null;
        try
        {
            await using var decoded = Decode(new MemoryStream(bytes, writable: false), codings);
            return await BoundedBody.ReadAsync(decoded, limit, CancellationToken.None);
        }
        catch (Exception e) when (e is InvalidDataException or InvalidOperationException or IOException)
        {
            return null;
        }
    }
}
