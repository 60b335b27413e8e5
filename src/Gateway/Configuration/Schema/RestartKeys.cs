namespace Gateway.Configuration;

/// <summary>Keys whose change needs a restart, because sockets are bound and the volume is open.</summary>
internal static class RestartKeys
{
    /// <summary>The keys of this kind whose values differ.</summary>
    public static IReadOnlyList<string> Changed(GatewayOptions running, GatewayOptions next)
    {
        var changed = new List<string>();
        if (!running.Listen.Select(Comparable).SequenceEqual(next.Listen.Select(Comparable))) changed.Add("listen");
        if (running.Tls != next.Tls) changed.Add("tls");
        if (running.Operator != next.Operator) changed.Add("operator");
        if (running.Audit != next.Audit) changed.Add("audit");
        if (running.Storage != next.Storage) changed.Add("storage");
        if (Comparable(running.Replicas) != Comparable(next.Replicas)) changed.Add("replicas");
        return changed;
    }

    private static (ReplicaOptions?, string, string) Comparable(ReplicaOptions? replicas) => replicas is null
        ? default
        : (replicas with { Peers = [], Redis = replicas.Redis is { } redis ? redis with { Addresses = [] } : null },
            string.Join(' ', replicas.Peers), string.Join(' ', replicas.Redis?.Addresses ?? []));

    /// <summary>Arrays are equal only if they are the same instance; their text is equal if their items are.</summary>
    private static (Uri, TlsOptions?, bool, bool, string) Comparable(ListenOptions listener) =>
        (listener.Url, listener.Tls, listener.PullOnly, listener.Http2, string.Join(' ', listener.Hosts));
}
