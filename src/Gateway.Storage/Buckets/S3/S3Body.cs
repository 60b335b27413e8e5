namespace Gateway.Storage;

/// <summary>
/// The bytes of an object as they arrive. A read that waits too long for the store fails, and so does one whose bytes end early.
/// </summary>
/// <param name="response">Disposed of with this stream; it ends the connection when bytes remain.</param>
/// <param name="length">Bytes that must arrive.</param>
/// <param name="failed">Makes the exception for a failed read.</param>
internal sealed class S3Body(Stream bytes, IDisposable response, long length, TimeSpan limit, Func<Exception> failed)
    : ReadOnlyStream
{
    private long _remaining = length;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_remaining == 0 || buffer.IsEmpty) return 0;
        if (buffer.Length > _remaining) buffer = buffer[..(int)_remaining];
        var read = 0;
        try
        {
            var reading = bytes.ReadAsync(buffer, cancellationToken);
            // Bytes that have arrived are there without a wait.
            read = reading.IsCompletedSuccessfully ? reading.Result : await WaitAsync(reading);
        }
        catch (Exception e) when (e is IOException or TimeoutException or ObjectDisposedException)
        {
            throw failed();
        }
        if (read == 0) throw failed();
        _remaining -= read;
        return read;
    }

    // A read that is given up goes on until the response is disposed of, so its buffer must not be used again: the caller fails.
    private async ValueTask<int> WaitAsync(ValueTask<int> reading)
    {
        var read = reading.AsTask();
        try
        {
            return await read.WaitAsync(limit);
        }
        catch (TimeoutException)
        {
            response.Dispose();
            throw;
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) response.Dispose();
        base.Dispose(disposing);
    }
}
