using Gateway.Configuration;

namespace Gateway.Registry;

/// <summary>
/// The listener that accepted a connection. It is a feature of the connection and is read from nowhere else: a Host header can be forged,
/// and ASP.NET's <c>RequireHost("*:port")</c> believes it (tried).
/// </summary>
/// <param name="Options">Null for the operator's port.</param>
internal sealed record Listener(ListenOptions? Options)
{
    /// <summary>The operator's port.</summary>
    public static readonly Listener Operator = new(Options: null);

    public bool IsOperator => Options is null;

    /// <summary>Whether every write is refused, and <c>GET /v2/</c> never challenged.</summary>
    public bool PullOnly => Options is { PullOnly: true };

    /// <summary>Whether requests for this host (lower case, without port) are served here.</summary>
    public bool Serves(string host) => Options is null || Options.Hosts.IsEmpty || Options.Hosts.Contains(host);

    /// <summary>Whether the configuration names this host for the listener, in any case.</summary>
    public bool Names(string host) => Options is not null && Options.Hosts.Contains(host, StringComparer.OrdinalIgnoreCase);
}
