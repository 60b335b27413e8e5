using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Transport;
using Microsoft.AspNetCore.Connections;

namespace Gateway.Registry;

/// <summary>
/// How many connections clients hold, together and each address: one client alone cannot take all of them (CVE-2023-38180 and its like).
/// Kestrel's own limit knows no addresses and no reload. Further connections of a client that has too many are closed before a byte is
/// read.
/// </summary>
internal sealed partial class ConnectionLimits : IDisposable
{
    // One line a minute is enough; a line for each connection would be one more way to fill a disk.
    private static readonly TimeSpan LogAgainAfter = TimeSpan.FromMinutes(1);

    // Chosen for probes, a scraper and a few people. Separate from the clients' limit, so that clients cannot shut the operator out.
    private const int MaxOperators = 1_000;

    private readonly Meter _meter = new("Gateway.Connections");
    private readonly Counter<long> _refused;
    private readonly ConfigurationInForce _inForce;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly Lock _counting = new();
    private readonly Dictionary<IPAddress, int> _byAddress = [];
    private int _open;
    private int _operators;
    private long? _logged;

    /// <param name="inForce">Asked for each connection.</param>
    public ConnectionLimits(ConfigurationInForce inForce, TimeProvider clock, ILogger<ConnectionLimits> logger)
    {
        (_inForce, _clock, _logger) = (inForce, clock, logger);
        _refused = _meter.CreateCounter<long>("gateway.connections.refused", description: "Connections closed as too many.");
        _meter.CreateObservableGauge("gateway.connections.open", () => _open, description: "Connections of clients.");
    }

    /// <summary>What the connections share with files; measured once the gateway listens.</summary>
    public Descriptors Descriptors { get; set; } = Descriptors.Plenty;

    /// <summary>
    /// Whether a connection takes a descriptor that files need. The operator port is exempt: the operator has to find out why clients are
    /// refused.
    /// </summary>
    /// <param name="at">Where it was accepted.</param>
    public bool RefusesForFiles(EndPoint at, Socket accepted)
    {
        if (!Descriptors.AreUsedUpBy((int)accepted.SafeHandle.DangerousGetHandle()) || (at as IPEndPoint)?.Port == OperatorPort)
            return false;
        Refuse("descriptors", ClientAddress.GroupOf((accepted.RemoteEndPoint as IPEndPoint)?.Address));
        return true;
    }

    /// <summary>The port of the operator's listener.</summary>
    public int OperatorPort { get; set; }

    /// <summary>The connection's life, as long as it is counted.</summary>
    public async Task ServeAsync(ConnectionContext connection, Listener listener, ConnectionDelegate next)
    {
        var peer = (connection.RemoteEndPoint as IPEndPoint)?.Address;
        var address = ClientAddress.GroupOf(peer);
        if (Enter(peer, address, listener) is { } limit)
        {
            Refuse(limit, address);
            connection.Abort(new ConnectionAbortedException($"too many connections ({limit})"));
            return;
        }
        try
        {
            await next(connection);
        }
        finally
        {
            Leave(address, listener);
        }
    }

    public void Dispose() => _meter.Dispose();

    // The key of the limit that is reached; null when there is room, which is taken.
    private string? Enter(IPAddress? peer, IPAddress address, Listener listener)
    {
        var options = _inForce.Current;
        var (limits, proxies) = (options.Limits, options.TrustedProxies);
        // A trusted proxy is not a client: its connections carry many clients and count only among all connections.
        var isProxy = peer is not null && ForwardedHeaders.IsTrusted(peer, proxies);
        lock (_counting)
        {
            if (listener.IsOperator) return _operators >= MaxOperators ? "operator" : Count(ref _operators);
            if (_open >= limits.Connections) return "connections";
            var held = _byAddress.GetValueOrDefault(address);
            if (held >= limits.ConnectionsPerAddress && !isProxy) return "connectionsPerAddress";
            _byAddress[address] = held + 1;
            return Count(ref _open);
        }
    }

    private static string? Count(ref int held)
    {
        held++;
        return null;
    }

    private void Leave(IPAddress address, Listener listener)
    {
        lock (_counting)
        {
            if (listener.IsOperator)
            {
                _operators--;
                return;
            }
            _open--;
            if (--_byAddress[address] == 0) _byAddress.Remove(address);
        }
    }

    private void Refuse(string limit, IPAddress address)
    {
        _refused.Add(1, new KeyValuePair<string, object?>("limit", limit));
        lock (_counting)
        {
            if (_logged is { } last && _clock.GetElapsedTime(last) < LogAgainAfter) return;
            _logged = _clock.GetTimestamp();
        }
        LogRefused(_logger, limit, address);
    }

    [LoggerMessage(1004, LogLevel.Warning, "Connection limit {Limit} reached; closing new connections (latest: {Address})")]
    private static partial void LogRefused(ILogger logger, string limit, IPAddress address);
}
