using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Gateway.Upstream;

/// <summary>Finds the addresses of a host; the system's resolver outside tests.</summary>
public delegate Task<IPAddress[]> ResolveHost(string host, CancellationToken cancellationToken);

/// <summary>A connection was not made because every address of the host is one that the trust boundary forbids.</summary>
internal sealed class AddressRefusedException(string host)
    : IOException($"{host} has a private address, and the configuration names it neither as url, nor as realm, nor under redirects");

/// <summary>Connections to one upstream, its token server and the hosts it redirects to.</summary>
internal static class UpstreamHandler
{
    // Chosen: longer than a lost SYN and its first two repetitions (1 s and 2 s, RFC 6298).
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    // Chosen: one dead address of several must leave time for the next.
    private static readonly TimeSpan AddressTimeout = TimeSpan.FromSeconds(2);

    // A registry's addresses change by DNS; a pooled connection would never notice.
    private static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(5);

    // Chosen: 40 cold images side by side at containerd's 3 layers each; more wait in the pool.
    private const int ConnectionsPerHost = 128;

    // An unread body up to here is read away to keep the connection; beyond, closing it is cheaper.
    private const int DrainSize = 64 * 1024;

    public static SocketsHttpHandler Create(RegistryOptions options, TrustBoundary boundary, ResolveHost resolve)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            // Only the proxy that the operator named: the environment's would take the trust boundary's place.
            UseProxy = options.Proxy is not null,
            Proxy = options.Proxy is null ? null : new WebProxy(options.Proxy),
            ConnectTimeout = ConnectTimeout,
            MaxConnectionsPerServer = ConnectionsPerHost,
            PooledConnectionLifetime = ConnectionLifetime,
            MaxResponseDrainSize = DrainSize,
            // Trace ids and baggage of our clients are no business of another registry.
            ActivityHeadersPropagator = DistributedContextPropagator.CreateNoOutputPropagator(),
            ConnectCallback = (context, cancellationToken) => ConnectAsync(context.DnsEndPoint, boundary, resolve, cancellationToken),
        };
        if (options.CertificateAuthority is { } file) handler.SslOptions.CertificateChainPolicy = TrustAlso(file);
        return handler;
    }

    /// <summary>
    /// Connections for requests to the upstream's web application. How many there are is bounded by the requests that are forwarded. What
    /// header values hold beyond ASCII goes through as it is.
    /// </summary>
    public static HttpMessageInvoker CreateForWeb(RegistryOptions options, TrustBoundary boundary, ResolveHost resolve)
    {
        var handler = Create(options, boundary, resolve);
        handler.MaxConnectionsPerServer = int.MaxValue;
        handler.RequestHeaderEncodingSelector = static (_, _) => Encoding.UTF8;
        handler.ResponseHeaderEncodingSelector = static (_, _) => Encoding.Latin1;
        return new(handler, disposeHandler: true);
    }

    /// <summary>The file's authorities and the system's: what an upstream redirects to may well have a public certificate.</summary>
    private static X509ChainPolicy TrustAlso(string file)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPemFile(file);
        using var system = new X509Store(StoreName.Root, StoreLocation.LocalMachine, OpenFlags.ReadOnly);
        policy.CustomTrustStore.AddRange(system.Certificates);
        return policy;
    }

    /// <summary>Checked here, at the address that is really dialled, and so for each connection: a name may change its address.</summary>
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
                // The next address may answer.
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
