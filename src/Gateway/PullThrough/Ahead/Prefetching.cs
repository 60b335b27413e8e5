using Gateway.Configuration;

namespace Gateway.PullThrough;

/// <summary>Runs the prefetch workers while the gateway runs, under the configuration in force and through the gate.</summary>
internal sealed class Prefetching(FetchTable fetches, PullManifest pull, ConfigurationInForce inForce) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        inForce.Changed += Use;
        Use(inForce.Current);
        fetches.Ahead.Start(pull);
        fetches.Referrers.Start(pull);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        inForce.Changed -= Use;
        return fetches.DisposeAsync().AsTask();
    }

    private void Use(GatewayOptions options) => fetches.Ahead.Options = options.Cache.Prefetch;
}
