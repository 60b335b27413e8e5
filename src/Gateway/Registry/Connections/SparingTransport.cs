using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Gateway.Transport;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace Gateway.Registry;

/// <summary>
/// Accepts connections as Kestrel's own transport does, and closes those that would take the last descriptors before it accepts another: a
/// burst is otherwise accepted whole, and then no file can be opened and no assembly loaded, which the runtime never tries again.
/// </summary>
internal sealed class SparingTransport(IMemoryPoolFactory<byte> pools, ConnectionLimits limits) : IConnectionListenerFactory
{
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        try
        {
            var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
            // Where the system has no room for it, the gateway does not start; a connection would find that out each time.
            _ = SocketEvents.OfProcess;
            // Kestrel's own backlog.
            socket.Listen(512);
            return new(new SparingListener(socket, pools.Create(), limits));
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            throw new AddressInUseException(exception.Message, exception);
        }
        catch (SocketException exception)
        {
            // The system's message does not name the address.
            throw new SocketException((int)exception.SocketErrorCode, $"{endpoint}: {exception.Message}");
        }
    }

    private sealed class SparingListener(Socket listening, MemoryPool<byte> pool, ConnectionLimits limits) : IConnectionListener
    {
        public EndPoint EndPoint { get; } = listening.LocalEndPoint!;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            while (true)
            {
                Socket? accepted = null;
                try
                {
                    accepted = await listening.AcceptAsync(cancellationToken);
                    accepted.NoDelay = true;
                    if (!limits.RefusesForFiles(EndPoint, accepted)) return new SocketConnection(accepted, pool);
                    accepted.Close(0);
                }
                catch (ObjectDisposedException)
                {
                    return null;
                }
                catch (SocketException exception) when (exception.SocketErrorCode == SocketError.OperationAborted)
                {
                    return null;
                }
                catch (SocketException)
                {
                    // Reset while it waited to be accepted, or the kernel has no room for its events.
                    accepted?.Dispose();
                }
            }
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => DisposeAsync();

        public ValueTask DisposeAsync()
        {
            listening.Dispose();
            return default;
        }
    }
}
