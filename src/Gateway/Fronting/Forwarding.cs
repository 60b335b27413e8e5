using Gateway.Configuration;

namespace Gateway.Fronting;

/// <summary>
/// Wakes the queue while the gateway runs: at the start for pushes that remain from the previous process, after each push, and after each
/// reload.
/// </summary>
internal sealed class Forwarding(
    ForwardQueue queue, FrontedRepositories repositories, ConfigurationInForce inForce, AcceptedPushes accepted) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        accepted.Accepted += queue.Wake;
        inForce.Changed += Use;
        Use(inForce.Current);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        inForce.Changed -= Use;
        accepted.Accepted -= queue.Wake;
        return queue.DisposeAsync().AsTask();
    }

    private void Use(GatewayOptions options)
    {
        repositories.Use(options);
        queue.WakeAll();
    }
}
