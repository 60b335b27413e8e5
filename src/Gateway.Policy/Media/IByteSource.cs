namespace Gateway.Policy.Media;

/// <summary>Bytes in order, for one reader.</summary>
public interface IByteSource
{
    /// <summary>
    /// Fills as much of the buffer as is available, at least one byte; 0 at the end. Throws <see cref="InvalidDataException"/>, whose
    /// message completes the sentence "it is …", when the bytes cannot be decompressed.
    /// </summary>
    ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken);
}
