namespace Gateway.PullThrough;

/// <summary>Reads a small upstream document whole.</summary>
internal static class BoundedBody
{
    /// <summary>
    /// Reads to the end. Throws <see cref="InvalidDataException"/> for more than <paramref name="max"/> bytes and <see cref="IOException"/>
    /// when the body stalls or breaks off.
    /// </summary>
    public static async Task<byte[]> ReadAsync(Stream body, long? length, int max, TimeProvider clock)
    {
        if (length > max) throw new InvalidDataException($"it has {length} bytes, at most {max} are taken");
        using var pace = new Pace(body, clock, CancellationToken.None);
        using var bytes = new MemoryStream((int)(length ?? 0));
        var buffer = new byte[16 * 1024];
        while (await pace.ReadAsync(buffer) is var read and > 0)
        {
            if (bytes.Length + read > max) throw new InvalidDataException($"it has more than {max} bytes");
            bytes.Write(buffer, 0, read);
        }
        if (bytes.Length < length) throw new IOException($"{bytes.Length} of {length} bytes came");
        return bytes.ToArray();
    }
}
