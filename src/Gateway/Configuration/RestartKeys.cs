namespace Gateway.Configuration;

/// <summary>Keys that a running gateway cannot take up: sockets are bound and the volume is open.</summary>
internal static class RestartKeys
{
    /// <summary>Those in which the two differ.</summary>
    public static IReadOnlyList<string> Changed(GatewayOptions running, GatewayOptions next)
    {
        var changed = new List<string>();
        if (!running.Listen.Select(Comparable).SequenceEqual(next.Listen.Select(Comparable))) changed.Add("listen");
        if (running.Tls != next.Tls) changed.Add("tls");
        if (running.Operator != next.Operator) changed.Add("operator");
        if (running.Audit != next.Audit) changed.Add("audit");
        if (running.Storage != next.Storage) changed.Add("storage");
        return changed;
    }

    /// <summary>An array is equal to another only if it is the same one; its text is equal if its items are.</summary>
    private static (Uri, TlsOptions?, bool, bool, string) Comparable(ListenOptions listener) =>
        (listener.Url, listener.Tls, listener.PullOnly, listener.Http2, string.Join(' ', listener.Hosts));
}
