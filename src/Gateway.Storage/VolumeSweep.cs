namespace Gateway.Storage;

/// <summary>Removes what is too old from a volume: at the start, and then each hour.</summary>
internal sealed class VolumeSweep : IAsyncDisposable
{
    // The step in which trash is kept and uploads age.
    private static readonly TimeSpan Every = TimeSpan.FromHours(1);

    private readonly Action[] _clear;
    private readonly VolumeHealth _health;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly ITimer _timer;
    private Task _sweeping = Task.CompletedTask;

    public VolumeSweep(
        Trash trash, Uploads uploads, FetchFiles fetches, StagedContent staged, VolumeHealth health, TimeProvider clock, ILogger logger)
    {
        (_health, _logger) = (health, logger);
        _clear = [() => trash.Empty(), () => Sweep(uploads), () => fetches.Sweep(clock.GetUtcNow()), staged.SweepBytes];
        Sweep();
        _timer = clock.CreateTimer(_ => Sweep(), null, Every, Every);
    }

    private void Sweep()
    {
        if (_health.WhyNoWrites is not null) return;
        // Each by itself: a folder that cannot be read must not prevent the cleanup of the others or the start of the gateway.
        foreach (var clear in _clear)
        {
            try
            {
                clear();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Log.SweepFailed(_logger, e);
            }
        }
    }

    // Sessions in a bucket are listed beside the rest: the start of the gateway does not wait for another machine.
    private void Sweep(Uploads uploads)
    {
        if (!uploads.AreShared) uploads.SweepAsync(CancellationToken.None).Wait();
        else if (_sweeping.IsCompleted) _sweeping = Task.Run(() => SweepAsync(uploads));
    }

    private async Task SweepAsync(Uploads uploads)
    {
        try
        {
            await uploads.SweepAsync(_stop.Token);
        }
        catch (OperationCanceledException)
        {
            // The gateway stops.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.SweepFailed(_logger, e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        await _stop.CancelAsync();
        await _sweeping;
        _stop.Dispose();
    }
}
