namespace Gateway.Repositories;

/// <summary>Removes what has had its time, in the background, under the configuration in force.</summary>
internal sealed class Sweep : IAsyncDisposable
{
    // An hour, as the volume's own sweep: what waits is dropped on use in any case, at its time.
    private static readonly TimeSpan Every = TimeSpan.FromHours(1);

    private readonly CancellationTokenSource _stop = new();
    private readonly Task _run;

    public Sweep(Func<RepositoryRouter> router, TimeProvider clock, ILogger logger) => _run = RunAsync(router, clock, logger, _stop.Token);

    private static async Task RunAsync(Func<RepositoryRouter> router, TimeProvider clock, ILogger logger, CancellationToken stop)
    {
        using var timer = new PeriodicTimer(Every, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
            {
                try
                {
                    await router().SweepAsync(stop);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    Log.SweepFailed(logger, e);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The gateway ends.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _run;
        _stop.Dispose();
    }
}
