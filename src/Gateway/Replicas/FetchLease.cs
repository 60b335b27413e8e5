namespace Gateway.Replicas;

/// <summary>What a replica does about one fetch.</summary>
internal enum LeaseState
{
    /// <summary>It asks Redis who fetches.</summary>
    Idle,

    /// <summary>It has the lease and fetches from the upstream.</summary>
    Lead,

    /// <summary>It reads from another replica.</summary>
    Follow,

    /// <summary>It fetches from the upstream without the lease, because Redis or the other replicas do not answer.</summary>
    Alone,

    /// <summary>It has the whole content.</summary>
    Done,
}

/// <summary>
/// One replica's side of the lease of a fetch: a pure state machine, without I/O and clock. Content needs no fencing, because each replica
/// hashes what it receives; the lease only decides who asks the upstream (docs/design/0018-replicas.md).
/// </summary>
/// <param name="State">What the replica does now.</param>
/// <param name="Value">Lead: its own lease, null after Redis lost it. Follow: the lease or note that named the peer.</param>
/// <param name="Peer">Follow: the replica that is read.</param>
/// <param name="Distrusted">The lease or note whose replica did not serve; the next request to Redis replaces it.</param>
/// <param name="Failures">The peers that did not serve so far.</param>
internal readonly record struct FetchLease(
    LeaseState State, LeaseValue? Value = null, Uri? Peer = null, LeaseValue? Distrusted = null, int Failures = 0)
{
    /// <summary>
    /// The failed peers after which a replica fetches alone. Chosen: one that died, one that took over from it, and one more. It bounds
    /// the requests of a replica to the upstream when replicas cannot reach each other but reach Redis.
    /// </summary>
    public const int MostFailures = 3;

    /// <summary>Whether other replicas can read from this one. A follower serves none, so that replicas never follow in a circle.</summary>
    public bool Serves => State is LeaseState.Lead or LeaseState.Alone or LeaseState.Done;

    /// <summary>Whether this replica fetches from the upstream.</summary>
    public bool Downloads => State is LeaseState.Lead or LeaseState.Alone;

    /// <summary>Redis gave the lease to this replica.</summary>
    public FetchLease Granted(LeaseValue mine) => State switch
    {
        LeaseState.Idle or LeaseState.Lead or LeaseState.Alone => this with { State = LeaseState.Lead, Value = mine, Distrusted = null },
        _ => this,
    };

    /// <summary>Redis named another replica. A replica that fetches alone goes on: its connection costs nothing more.</summary>
    public FetchLease Held(LeaseValue by) => State switch
    {
        LeaseState.Idle or LeaseState.Lead => this with { State = LeaseState.Follow, Value = by, Peer = by.Url, Distrusted = null },
        _ => this,
    };

    /// <summary>Redis did not answer in time.</summary>
    /// <param name="serving">A replica that has the content or fetches it, as it says itself; null for none.</param>
    public FetchLease Silent(Uri? serving) => State switch
    {
        LeaseState.Idle when serving is not null => this with { State = LeaseState.Follow, Value = null, Peer = serving },
        LeaseState.Idle => this with { State = LeaseState.Alone, Value = null },
        _ => this,
    };

    /// <summary>Before its first request to the upstream, the leader found a replica that has the content or fetches it already.</summary>
    public FetchLease Found(Uri serving) => State switch
    {
        LeaseState.Lead => this with { State = LeaseState.Follow, Value = null, Peer = serving },
        _ => this,
    };

    /// <summary>The answer to the leader's renewal.</summary>
    /// <param name="current">What Redis has; null for nothing: Redis lost it, and the replica asks again with the same connection.</param>
    public FetchLease Renewed(LeaseValue? current) => State switch
    {
        LeaseState.Lead when current is null => this with { Value = null },
        LeaseState.Lead when current != Value => Held(current),
        _ => this,
    };

    /// <summary>The peer closed the connection, refused, or is silent and does not say that it goes on.</summary>
    public FetchLease PeerFailed() => State switch
    {
        LeaseState.Follow when Failures + 1 >= MostFailures =>
            this with { State = LeaseState.Alone, Value = null, Peer = null, Failures = Failures + 1 },
        LeaseState.Follow => new(LeaseState.Idle, Distrusted: Value, Failures: Failures + 1),
        _ => this,
    };

    /// <summary>The digest of the whole content matched.</summary>
    public FetchLease Verified() => this with { State = LeaseState.Done };
}
