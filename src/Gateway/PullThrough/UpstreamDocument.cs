using Gateway.Transport;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>Reads a small document of an upstream whole. A document that is too large or too slow fails.</summary>
internal static class UpstreamDocument
{
    // No account or address contains a space, so this name does not collide with one.
    private const string Holder = "all upstreams";

    /// <summary>
    /// The media type that the upstream gives to a manifest; null if its answer says nothing about that. Stores that hold registries' files
    /// answer <c>binary/octet-stream</c>, <c>application/json</c> or <c>text/plain</c> (go-containerregistry#617, goharbor/harbor#7853).
    /// The document itself states its type; only a type that contradicts it matters.
    /// </summary>
    public static string? ManifestTypeOf(UpstreamResponse response) =>
        response.ContentType is { } type
            && (MediaTypes.IsManifest(type) || type is MediaTypes.DockerSchema1 or MediaTypes.DockerSchema1Signed)
            ? type
            : null;

    /// <summary>
    /// Like <see cref="ReadAsync"/>, for a list, which has no digest: removes its content coding. A list that is labeled but not coded is
    /// read as it is.
    /// </summary>
    public static async Task<byte[]> ReadListAsync(UpstreamResponse response, int max, TimeProvider clock)
    {
        var bytes = await ReadAsync(response, max, clock);
        return await ContentEncodings.DecodeAsync(bytes, response.Codings, max) ?? bytes;
    }

    /// <summary>
    /// Reads the body to its end. Throws <see cref="InvalidDataException"/> for more than <paramref name="max"/> bytes, <see
    /// cref="IOException"/> if the body stalls or breaks, and <see cref="UpstreamException"/> (Unavailable), which does not blame the
    /// upstream, if too many documents are received at once.
    /// </summary>
    public static async Task<byte[]> ReadAsync(UpstreamResponse response, int max, TimeProvider clock)
    {
        var length = response.Length;
        if (length > max) throw new InvalidDataException($"expected at most {max} bytes, got {length}");
        using var pace = new Pace(response.Body, clock, CancellationToken.None);
        using var receipt = DocumentBudget.OfProcess.Receive(Holder);
        var bytes = await BoundedBody.ReadAsync(ReadAsync, max)
            ?? throw new InvalidDataException($"expected at most {max} bytes, got more");
        return bytes.Length < length ? throw new IOException($"expected {length} bytes, got {bytes.Length}") : bytes;

        async ValueTask<int> ReadAsync(Memory<byte> buffer)
        {
            var read = await pace.ReadAsync(buffer);
            try
            {
                receipt.Take(read);
            }
            catch (DocumentBudgetException e)
            {
                throw new UpstreamException(
                    UpstreamFailure.Unavailable, $"a document of {response.Endpoint.Authority} was not read: {e.Message}", inner: e);
            }
            return read;
        }
    }
}
