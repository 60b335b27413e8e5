using Gateway.Configuration;

namespace Gateway.Repositories;

/// <summary>Removes what has expired, in the background, by the configuration in force.</summary>
internal sealed class Sweep(ICurrent<RepositoryRouter> router, TimeProvider clock, ILogger<Sweep> logger) : BackgroundService
{
    // Hourly, like the sweep of the volume. Expired content that is used before the sweep is expired on use.
    private static readonly TimeSpan Every = TimeSpan.FromHours(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await router.Value.SweepAsync(stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException || !stoppingToken.IsCancellationRequested)
            {
                Log.SweepFailed(logger, e);
            }
        }
    }
}
