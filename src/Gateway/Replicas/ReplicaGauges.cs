using System.Diagnostics.Metrics;

namespace Gateway.Replicas;

/// <summary>What a replica knows of the set now, as metrics; while the gateway runs.</summary>
internal sealed class ReplicaGauges(Members members, SharedFetches fetches, RedisLink? redis = null) : IHostedService, IDisposable
{
    private static readonly LeaseState[] States = [LeaseState.Idle, LeaseState.Lead, LeaseState.Follow, LeaseState.Alone];

    private Meter? _meter;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _meter = new(ReplicaMetrics.MeterName);
        _meter.CreateObservableGauge(
            "gateway.replica.members", () => members.Others.Length + 1, description: "Replicas of the set that are known, and this one.");
        _meter.CreateObservableGauge(
            "gateway.replica.fetches", Fetches, description: "Fetches under way, by what this replica does about them.");
        if (redis is not null)
        {
            _meter.CreateObservableGauge(
                "gateway.replica.redis.up", () => redis.IsUp ? 1 : 0, description: "1 if Redis answered the last script, otherwise 0.");
        }
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        Dispose();
        return Task.CompletedTask;
    }

    public void Dispose() => _meter?.Dispose();

    private IEnumerable<Measurement<int>> Fetches()
    {
        var counts = fetches.ByState;
        return States.Select(state => new Measurement<int>(
            counts.GetValueOrDefault(state), new KeyValuePair<string, object?>("state", state.ToString().ToLowerInvariant())));
    }
}
