namespace Gateway.Upstream;

/// <summary>Reads bodies into memory up to a limit.</summary>
public static class BoundedBody
{
    /// <summary>The whole body; null if it is longer than <paramref name="limit"/> bytes.</summary>
    internal static Task<byte[]?> ReadAsync(Stream body, int limit, CancellationToken cancellationToken) =>
        ReadAsync(buffer => body.ReadAsync(buffer, cancellationToken), limit);

    /// <summary>The whole body; null if it is longer than <paramref name="limit"/> bytes.</summary>
    /// <param name="read">Reads some bytes into the buffer and returns their number; 0 at the end.</param>
    /// <param name="limit">The most bytes to read.</param>
    public static async Task<byte[]?> ReadAsync(Func<Memory<byte>, ValueTask<int>> read, int limit)
    {
        using var bytes = new MemoryStream();
        var buffer = new byte[16 * 1024]; // a full TLS record
        while (await read(buffer) is var count and > 0)
        {
            if (bytes.Length + count > limit) return null;
            bytes.Write(buffer, 0, count);
        }
        return bytes.ToArray();
    }
}
