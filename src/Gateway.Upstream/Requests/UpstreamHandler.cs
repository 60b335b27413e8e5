using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Gateway.Upstream;

/// <summary>Resolves a host name to its addresses. Tests replace the system's resolver.</summary>
internal delegate Task<IPAddress[]> ResolveHost(string host, CancellationToken cancellationToken);

/// <summary>A connection was not made, because the trust boundary forbids every address of the host.</summary>
internal sealed class AddressRefusedException(string host)
    : IOException($"expected a public address, got a private one for {host}; add the host to `redirects` or `realms` to allow this");

/// <summary>Makes the connections to one upstream, its token server and the hosts to which it redirects.</summary>
internal static class UpstreamHandler
{
    // Chosen: longer than a lost SYN and its first two retransmissions (1 s and 2 s, RFC 6298).
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    // Chosen: after one unreachable address, time must remain for the next.
    private static readonly TimeSpan AddressTimeout = TimeSpan.FromSeconds(2);

    // Chosen: without a limit, pooled connections would ignore changes of the upstream's DNS records.
    private static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(5);

    // Chosen: 40 concurrent pulls of uncached images with containerd's 3 layers each. Further requests wait.
    private const int ConnectionsPerHost = 128;

    // In bytes. Chosen: reading an unwanted body up to this size costs less than a new connection.
    private const int DrainSize = 64 * 1024;

    /// <summary>A handler for requests to the upstream's registry API.</summary>
    public static SocketsHttpHandler Create(RegistryOptions options, TrustBoundary boundary, ResolveHost resolve)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            // Only the configured proxy is used. A proxy from the environment would bypass the trust boundary.
            UseProxy = options.Proxy is not null,
            Proxy = options.Proxy is null ? null : new WebProxy(options.Proxy),
            ConnectTimeout = ConnectTimeout,
            MaxConnectionsPerServer = ConnectionsPerHost,
            PooledConnectionLifetime = ConnectionLifetime,
            MaxResponseDrainSize = DrainSize,
            // Another registry must not receive trace ids and baggage of the gateway's clients.
            ActivityHeadersPropagator = DistributedContextPropagator.CreateNoOutputPropagator(),
            ConnectCallback = (context, cancellationToken) => ConnectAsync(context.DnsEndPoint, boundary, resolve, cancellationToken),
        };
        if (options.CertificateAuthority is { } file) handler.SslOptions.CertificateChainPolicy = TrustAlso(file);
        return handler;
    }

    /// <summary>
    /// Connections for requests to the upstream's web application. Their number is limited by the number of forwarded requests. Non-ASCII
    /// bytes of header values are forwarded unchanged.
    /// </summary>
    public static HttpMessageInvoker CreateForWeb(RegistryOptions options, TrustBoundary boundary, ResolveHost resolve)
    {
        var handler = Create(options, boundary, resolve);
        handler.MaxConnectionsPerServer = int.MaxValue;
        handler.RequestHeaderEncodingSelector = static (_, _) => Encoding.UTF8;
        handler.ResponseHeaderEncodingSelector = static (_, _) => Encoding.Latin1;
        return new(handler, disposeHandler: true);
    }

    /// <summary>
    /// Trusts the file's authorities and the system's, because the hosts to which an upstream redirects can have a public certificate.
    /// </summary>
    private static X509ChainPolicy TrustAlso(string file)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPemFile(file);
        using var system = new X509Store(StoreName.Root, StoreLocation.LocalMachine, OpenFlags.ReadOnly);
        policy.CustomTrustStore.AddRange(system.Certificates);
        return policy;
    }

    /// <summary>
    /// Connects within the trust boundary. The check uses the actual address of each connection, because DNS records can change.
    /// </summary>
    private static async ValueTask<Stream> ConnectAsync(
        DnsEndPoint target, TrustBoundary boundary, ResolveHost resolve, CancellationToken cancellationToken)
    {
        var addresses = IPAddress.TryParse(target.Host, out var literal) ? [literal] : await resolve(target.Host, cancellationToken);
        if (!boundary.MayBePrivate(target.Host, target.Port))
        {
            addresses = [.. addresses.Where(address => !PrivateNetworks.Contain(address))];
            if (addresses.Length == 0) throw new AddressRefusedException(target.Host);
        }
        for (var i = 0; ; i++)
        {
            try
            {
                return await ConnectAsync(new IPEndPoint(addresses[i], target.Port), cancellationToken);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException && i + 1 < addresses.Length
                && !cancellationToken.IsCancellationRequested)
            {
                // Try the next address.
            }
        }
    }

    private static async Task<Stream> ConnectAsync(IPEndPoint address, CancellationToken cancellationToken)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            deadline.CancelAfter(AddressTimeout);
            await socket.ConnectAsync(address, deadline.Token);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
