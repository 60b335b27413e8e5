namespace Gateway.PullThrough;

/// <summary>
/// Reads an upstream's body, and fails when it stalls: no byte for <see cref="StallTimeout"/>, or fewer than <see cref="FloorBytes"/> in as
/// much reading time. Time that the caller spends between reads does not count: a slow client is not a slow upstream.
/// </summary>
internal sealed class Pace : IDisposable
{
    /// <summary>Chosen: a source that is below the floor rate for so long must not starve the readers of its fetch.</summary>
    public static readonly TimeSpan StallTimeout = TimeSpan.FromSeconds(10);

    /// <summary>1 KiB/s. Chosen: any link in use is faster, and a slower connection cannot be held open forever.</summary>
    public const long FloorBytes = 10 * 1024;

    private readonly Stream _body;
    private readonly TimeProvider _clock;
    private readonly CancellationTokenSource _stalled;
    private readonly CancellationTokenRegistration _caller;
    private readonly CancellationToken _callerToken;
    private TimeSpan _spent;
    private long _got;

    public Pace(Stream body, TimeProvider clock, CancellationToken cancellationToken)
    {
        (_body, _clock, _callerToken) = (body, clock, cancellationToken);
        _stalled = new(StallTimeout, clock);
        _caller = cancellationToken.UnsafeRegister(static s => ((CancellationTokenSource)s!).Cancel(), _stalled);
    }

    /// <summary>Reads some bytes; 0 at the end. Throws <see cref="IOException"/> if the connection breaks or stalls.</summary>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer)
    {
        _stalled.CancelAfter(StallTimeout);
        var start = _clock.GetTimestamp();
        try
        {
            var read = await _body.ReadAsync(buffer, _stalled.Token);
            if (read > 0) CheckRate(read, _clock.GetElapsedTime(start));
            return read;
        }
        catch (OperationCanceledException e) when (!_callerToken.IsCancellationRequested)
        {
            throw new IOException($"no byte was received for {StallTimeout.TotalSeconds:0} s", e);
        }
        catch (HttpRequestException e)
        {
            throw new IOException("the connection broke during the body", e);
        }
        finally
        {
            if (!_stalled.IsCancellationRequested) _stalled.CancelAfter(Timeout.InfiniteTimeSpan);
        }
    }

    public void Dispose()
    {
        _caller.Dispose();
        _stalled.Dispose();
    }

    private void CheckRate(int read, TimeSpan elapsed)
    {
        _spent += elapsed;
        _got += read;
        if (_spent < StallTimeout) return;
        if (_got < FloorBytes) throw new IOException($"expected at least {FloorBytes} bytes in {_spent.TotalSeconds:0} s, got {_got}");
        (_spent, _got) = (TimeSpan.Zero, 0);
    }
}
