using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Options;

namespace Gateway.Registry;

/// <summary>
/// Accepts connections as Kestrel's own transport does, and closes those that would take the last descriptors before it accepts another: a
/// burst is otherwise accepted whole, and then no file can be opened and no assembly loaded, which the runtime never tries again.
/// </summary>
internal sealed class SparingTransport(IOptions<SocketTransportOptions> options, ILoggerFactory loggers, ConnectionLimits limits)
    : IConnectionListenerFactory
{
    private readonly SocketTransportFactory _sockets = new(options, loggers);

    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
        new SparingListener(await _sockets.BindAsync(endpoint, cancellationToken), limits);

    private sealed class SparingListener(IConnectionListener sockets, ConnectionLimits limits) : IConnectionListener
    {
        public EndPoint EndPoint => sockets.EndPoint;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            while (await sockets.AcceptAsync(cancellationToken) is { } connection)
            {
                if (!limits.RefusesForFiles(EndPoint, connection)) return connection;
                connection.Abort(new ConnectionAbortedException("too many connections (descriptors)"));
                await connection.DisposeAsync();
            }
            return null;
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => sockets.UnbindAsync(cancellationToken);

        public ValueTask DisposeAsync() => sockets.DisposeAsync();
    }
}
