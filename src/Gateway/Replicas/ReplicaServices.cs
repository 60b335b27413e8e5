namespace Gateway.Replicas;

/// <summary>What each fetch among replicas needs.</summary>
/// <param name="Leases">Null without Redis.</param>
internal sealed record ReplicaServices(
    ReplicaSelf Self, Members Members, PeerClient Peers, TimeProvider Clock, ILogger<SharedFetches> Logger, LeaseStore? Leases = null);
