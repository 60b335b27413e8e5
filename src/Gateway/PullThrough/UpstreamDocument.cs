using Gateway.Transport;
using Gateway.Oci;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>Reads a small document of an upstream whole, and gives up one that is long or slow.</summary>
internal static class UpstreamDocument
{
    // No name of an account or an address has a space.
    private const string Holder = "all upstreams";

    /// <summary>
    /// What the upstream says that a manifest is; null where it says nothing about that: stores that hold registries' files answer
    /// <c>binary/octet-stream</c>, <c>application/json</c>, <c>text/plain</c> (go-containerregistry#617, goharbor/harbor#7853). The
    /// document says itself what it is, and only a type that contradicts it counts.
    /// </summary>
    public static string? ManifestTypeOf(UpstreamResponse response) =>
        response.ContentType is { } type
            && (MediaTypes.IsManifest(type) || type is MediaTypes.DockerSchema1 or MediaTypes.DockerSchema1Signed)
            ? type
            : null;

    /// <summary>
    /// As <see cref="ReadAsync"/>, for a list, which no digest checks: without its content coding. One that is labelled and not coded is
    /// read as it is.
    /// </summary>
    public static async Task<byte[]> ReadListAsync(UpstreamResponse response, int max, TimeProvider clock)
    {
        var bytes = await ReadAsync(response, max, clock);
        return await ContentEncodings.DecodeAsync(bytes, response.Codings, max) ?? bytes;
    }

    /// <summary>
    /// Reads to the end. Throws <see cref="InvalidDataException"/> for more than <paramref name="max"/> bytes and <see cref="IOException"/>
    /// when the body stalls or breaks off, or too many documents come at once.
    /// </summary>
    public static async Task<byte[]> ReadAsync(UpstreamResponse response, int max, TimeProvider clock)
    {
        var length = response.Length;
        if (length > max) throw new InvalidDataException($"it has {length} bytes, at most {max} are taken");
        using var pace = new Pace(response.Body, clock, CancellationToken.None);
        using var receipt = DocumentBudget.OfProcess.Receive(Holder);
        var bytes = await BoundedBody.ReadAsync(ReadAsync, max) ?? throw new InvalidDataException($"it has more than {max} bytes");
        return bytes.Length < length ? throw new IOException($"{bytes.Length} of {length} bytes came") : bytes;

        async ValueTask<int> ReadAsync(Memory<byte> buffer)
        {
            var read = await pace.ReadAsync(buffer);
            receipt.Take(read);
            return read;
        }
    }
}
