using System.Collections.Immutable;
using System.IO.Compression;
using System.Net.Http.Headers;

namespace Gateway.Upstream;

/// <summary>
/// Decodes content codings (RFC 9110 §8.4). The gateway asks for none, but some responses have them: a proxy compresses the response, or
/// object storage declares <c>gzip</c> for a file that a client pushed compressed and that must stay as it is.
/// </summary>
public static class ContentEncodings
{
    // Chosen: known responses have one.
    private const int Most = 2;

    /// <summary>The codings of a response, in the order in which they were applied, in lower case; empty if it has none.</summary>
    internal static ImmutableArray<string> Of(HttpContentHeaders headers) =>
        [.. headers.ContentEncoding.Select(c => c.ToLowerInvariant()).Where(c => c != "identity")];

    /// <summary>
    /// Whether there is at least one coding and all can be decoded. S3's <c>aws-chunked</c> does not change the bytes, so it is not
    /// decoded.
    /// </summary>
    public static bool CanDecode(ImmutableArray<string> codings) =>
        codings.Length is > 0 and <= Most && codings.All(c => c is "gzip" or "x-gzip" or "br" or "deflate");

    /// <summary>
    /// A stream of the decoded content. Reading it throws <see cref="InvalidDataException"/> if the bytes do not have the declared coding.
    /// </summary>
    /// <param name="body">The encoded content.</param>
    /// <param name="codings">Codings for which <see cref="CanDecode"/> is true.</param>
    public static Stream Decode(Stream body, ImmutableArray<string> codings)
    {
        for (var i = codings.Length - 1; i >= 0; i--)
        {
            body = codings[i] switch
            {
                "br" => new BrotliStream(body, CompressionMode.Decompress),
                // RFC 9110 §8.4.1.2: "deflate" is zlib's format.
                "deflate" => new ZLibStream(body, CompressionMode.Decompress),
                _ => new GZipStream(body, CompressionMode.Decompress),
            };
        }
        return body;
    }

    /// <summary>
    /// The decoded bytes of a small document. Null if it has no coding, has a coding that cannot be decoded, or decodes to more than
    /// <paramref name="limit"/> bytes.
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
