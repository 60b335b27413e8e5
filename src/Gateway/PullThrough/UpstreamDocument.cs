using Gateway.Transport;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>Reads a small document of an upstream whole, and gives up one that is long or slow.</summary>
internal static class UpstreamDocument
{
    // No name of an account or an address has a space.
    private const string Holder = "all upstreams";

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
