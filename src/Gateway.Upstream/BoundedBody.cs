namespace Gateway.Upstream;

/// <summary>Reads a small body of which nobody promised that it is small.</summary>
public static class BoundedBody
{
    /// <summary>The whole body, or null when it is longer than <paramref name="limit"/> bytes.</summary>
    public static Task<byte[]?> ReadAsync(Stream body, int limit, CancellationToken cancellationToken) =>
        ReadAsync(buffer => body.ReadAsync(buffer, cancellationToken), limit);

    /// <summary>The same by the caller's way to read some bytes, which answers 0 at the end.</summary>
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
