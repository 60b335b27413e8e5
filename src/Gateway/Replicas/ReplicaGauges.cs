using System.Diagnostics.Metrics;

namespace Gateway.Replicas;

/// <summary>What a replica knows of the set now, as metrics; while the gateway runs.</summary>
internal sealed class ReplicaGauges(
    Members members, SharedFetches fetches, News news, ReplicaState state, RedisLink? redis = null) : IHostedService, IDisposable
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
        _meter.CreateObservableGauge(
            "gateway.replica.versions", () => Different(members.Others.Select(each => each.Version).Append(Members.Version)),
            description: "Different versions of the program among the replicas that are known.");
        _meter.CreateObservableGauge(
            "gateway.replica.policies",
            () => Different(members.Others.Select(each => members.AboutOf(each.Url)?.Policy ?? "").Append(state.Policy())),
            description: "Different policies among the replicas that are known.");
        _meter.CreateObservableGauge(
            "gateway.replica.purges.unconfirmed", () => news.Unconfirmed.Count,
            description: "Purges that were told here and that a replica has not confirmed.");
        if (redis is not null)
        {
            _meter.CreateObservableGauge(
                "gateway.replica.news.lag", () => news.Lag!.Value.TotalSeconds, "s",
                "Time since this replica had carried out all purges of the others.");
            _meter.CreateObservableGauge(
                "gateway.replica.clock.skew", Skew, "s", "By how much this machine's clock is before that of Redis; negative if behind.");
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

    private IEnumerable<Measurement<double>> Skew() => members.ClockSkew is { } skew ? [new(skew.TotalSeconds)] : [];

    // A configured peer that Redis does not know says nothing of itself.
    private static int Different(IEnumerable<string> words) => words.Where(each => each.Length > 0).Distinct().Count();

    private IEnumerable<Measurement<int>> Fetches()
    {
        var counts = fetches.ByState;
        return States.Select(state => new Measurement<int>(
            counts.GetValueOrDefault(state), new KeyValuePair<string, object?>("state", state.ToString().ToLowerInvariant())));
    }
}
