namespace Gateway.BlackBox.Rig;

/// <summary>How a <see cref="ReplicaSet"/> is made.</summary>
internal sealed record ReplicaPlan
{
    /// <summary>Of Redis; null for none.</summary>
    public string? Password { get; init; }

    /// <summary>Lines of the configuration of each replica.</summary>
    public Func<int, string>? More { get; init; }

    /// <summary>The upstream; null for the set's own scripted one.</summary>
    public Uri? Url { get; init; }

    /// <summary>Lines of the upstream's options.</summary>
    public string Upstream { get; init; } = "referrers: on-demand";

    /// <summary>
    /// How long replicas wait for Redis and for each other. Longer than the default, because a machine that runs all of them and their
    /// clients may be busy for longer.
    /// </summary>
    public string Timeout { get; init; } = "5s";

    /// <summary>The replica that has another secret than the others; null for none.</summary>
    public int? WrongSecret { get; init; }

    /// <summary>redis-server or valkey-server.</summary>
    public string Program { get; init; } = "redis-server";

    /// <summary>Whether the replicas know each other by <c>peers</c>, and there is no Redis.</summary>
    public bool IsPeersAlone { get; init; }

    /// <summary>The value of <c>address</c>, in place of the set's own Redis; null for that one.</summary>
    public string? Addresses { get; init; }

    /// <summary>The certificates of each replica for the others; null for http.</summary>
    public Func<int, Authority>? Certificates { get; init; }

    /// <summary>Environment variables of each replica.</summary>
    public Func<int, IReadOnlyDictionary<string, string>?>? Environment { get; init; }

    /// <summary>The members that each replica must know before the test begins.</summary>
    public Func<int, int> Members { get; init; } = static _ => ReplicaSet.Count;

    /// <summary>The program of each replica; null for the one that was built.</summary>
    public Func<int, string?>? Assembly { get; init; }
}
