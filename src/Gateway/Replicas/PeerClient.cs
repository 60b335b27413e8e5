using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Gateway.Configuration;

namespace Gateway.Replicas;

/// <summary>What a replica says about some content.</summary>
/// <param name="IsWhole">Whether it has all of it; otherwise it fetches it.</param>
/// <param name="Position">Bytes that it can send now.</param>
internal readonly record struct PeerOffer(bool IsWhole, long Position);

/// <summary>A replica's word about some content.</summary>
/// <param name="Offer">Null if it has nothing to offer, or did not answer.</param>
/// <param name="Answered">Whether it answered within the deadline.</param>
/// <param name="Failed">Whether the connection failed; false if it was only slow.</param>
internal readonly record struct PeerWord(PeerOffer? Offer, bool Answered, bool Failed = false);

/// <summary>What became of a notice to a replica.</summary>
/// <param name="Problem">In one line; null if the replica confirmed the notice.</param>
/// <param name="IsAnswered">Whether the replica answered, whatever it said.</param>
internal readonly record struct Told(string? Problem, bool IsAnswered)
{
    /// <summary>Whether the replica confirmed the notice.</summary>
    public bool IsConfirmed => Problem is null;
}

/// <summary>Requests to other replicas.</summary>
internal sealed class PeerClient : IDisposable
{
    /// <summary>Longest wait for a replica's word whether it has some content.</summary>
    public TimeSpan ProbeDeadline { get; }

    private readonly PeerSignature _signature;
    private readonly TimeProvider _clock;
    private readonly TlsOptions? _tls;
    private readonly HttpClient _client;

    public PeerClient(ReplicaOptions options, GatewayOptions all, PeerSignature signature, TimeProvider clock)
    {
        (_signature, _clock, _tls, ProbeDeadline) = (signature, clock, options.Tls ?? all.Tls, options.Timeout);
        _client = new(new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            // Chosen: one round trip and a retransmission in one network; longer where the operator allows replicas more time to answer.
            ConnectTimeout = TimeSpan.FromTicks(Math.Max(TimeSpan.TicksPerSecond, options.Timeout.Ticks)),
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
            ConnectCallback = ConnectAsync,
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>What a replica offers of some content. Throws only if the caller cancels.</summary>
    public async Task<PeerWord> AskAsync(Uri peer, Digest digest, TimeSpan deadline, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(deadline, _clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var request = RequestOf(HttpMethod.Head, peer, PeerPaths.Content(digest));
            using var response = await SendAsync(request, both.Token);
            if (response.StatusCode != HttpStatusCode.OK) return new(null, Answered: true);
            var position = response.Headers.TryGetValues(PeerPaths.Position, out var values)
                && long.TryParse(values.First(), NumberStyles.None, CultureInfo.InvariantCulture, out var bytes) ? bytes : 0;
            return new(new(response.Headers.Contains(PeerPaths.Whole), position), Answered: true);
        }
        catch (Exception e)
        {
            // Whatever a peer does, the caller has another source.
            cancellationToken.ThrowIfCancellationRequested();
            ReplicaMetrics.PeerFailed("late");
            return new(null, Answered: false, Failed: e is not OperationCanceledException);
        }
    }

    /// <summary>
    /// Opens some content from an offset. Throws <see cref="IOException"/> if the replica does not answer with it.
    /// </summary>
    public async Task<HttpResponseMessage> OpenAsync(Uri peer, Digest digest, long from, CancellationToken cancellationToken)
    {
        HttpResponseMessage response;
        try
        {
            using var request = RequestOf(HttpMethod.Get, peer, PeerPaths.Content(digest));
            request.Headers.Range = new RangeHeaderValue(from, null);
            response = await SendAsync(request, cancellationToken);
        }
        catch (Exception e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new IOException(e.Message, e);
        }
        if (response.StatusCode == HttpStatusCode.PartialContent && response.Content.Headers.ContentRange is { HasLength: true } range
            && range.From == from) return response;
        using (response) throw new IOException($"expected 206 from byte {from}, got {(int)response.StatusCode}");
    }

    /// <summary>
    /// The manifests that, as a replica says, name some content. Empty also if it does not know the path; null if it did not answer in
    /// time. Throws only if the caller cancels.
    /// </summary>
    /// <param name="target">Path and query (<see cref="PeerPaths.Naming"/>).</param>
    /// <returns><c>Failed</c> if the connection failed; false if the replica was only slow.</returns>
    public async Task<(IReadOnlyList<Digest>? Named, bool Failed)> NamingAsync(Uri peer, string target, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(ProbeDeadline, _clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var request = RequestOf(HttpMethod.Get, peer, target);
            using var response = await SendAsync(request, both.Token);
            if (response.StatusCode != HttpStatusCode.OK) return ([], false);
            await using var body = await response.Content.ReadAsStreamAsync(both.Token);
            var bytes = new byte[NamedManifests.MostBytes];
            var length = await body.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, both.Token);
            var lines = Encoding.ASCII.GetString(bytes, 0, length).Split('\n');
            var digests = lines.Select(static line => Digest.TryParse(line, out var digest) ? digest : default);
            return ([.. digests.Where(static digest => !digest.IsEmpty)], false);
        }
        catch (Exception e)
        {
            // Whatever a peer does, the others are asked too.
            cancellationToken.ThrowIfCancellationRequested();
            ReplicaMetrics.PeerFailed("late");
            return (null, e is not OperationCanceledException);
        }
    }

    /// <summary>Sends a notice to a replica. Throws only if the caller cancels.</summary>
    /// <param name="target">Path and query.</param>
    public async Task<Told> TellAsync(Uri peer, string target, TimeSpan deadline, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(deadline, _clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var request = RequestOf(HttpMethod.Post, peer, target);
            using var response = await SendAsync(request, both.Token);
            return new(response.IsSuccessStatusCode ? null : $"expected 200, got {(int)response.StatusCode}", IsAnswered: true);
        }
        catch (Exception e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var problem = e is OperationCanceledException ? $"no answer within {deadline.TotalSeconds:0} s" : e.Message;
            return new(problem, IsAnswered: false);
        }
    }

    public void Dispose() => _client.Dispose();

    /// <summary>Sends a request; counts it if the two replicas do not accept each other, which waiting does not mend.</summary>
    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        try
        {
            var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (response.StatusCode == HttpStatusCode.Unauthorized) ReplicaMetrics.PeerFailed("refused");
            return response;
        }
        catch (HttpRequestException e) when (e.InnerException is AuthenticationException)
        {
            ReplicaMetrics.PeerFailed("refused");
            throw;
        }
    }

    private HttpRequestMessage RequestOf(HttpMethod method, Uri peer, string target)
    {
        var request = new HttpRequestMessage(method, new Uri(peer, target));
        request.Headers.Host = peer.Authority;
        request.Headers.TryAddWithoutValidation("Authorization", _signature.Sign(method.Method, peer.Authority, target));
        return request;
    }

    // The files are read for each connection, so that a renewed certificate applies without a restart.
    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        Stream? stream = null;
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            stream = new NetworkStream(socket, ownsSocket: true);
            if (context.InitialRequestMessage.RequestUri!.Scheme != Uri.UriSchemeHttps) return stream;
            var secure = new SslStream(stream);
            stream = secure;
            await secure.AuthenticateAsClientAsync(TlsOf(_tls, context.DnsEndPoint.Host), cancellationToken);
            return secure;
        }
        catch
        {
            if (stream is not null) await stream.DisposeAsync();
            socket.Dispose();
            throw;
        }
    }

    // The system's authorities, or those of clientAuthorities alone.
    private static SslClientAuthenticationOptions TlsOf(TlsOptions? tls, string host)
    {
        var options = new SslClientAuthenticationOptions { TargetHost = host };
        if (tls?.ClientAuthorities is not { } file) return options;
        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPemFile(file);
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(authorities);
        options.CertificateChainPolicy = policy;
        options.ClientCertificates = [X509Certificate2.CreateFromPemFile(tls.Certificate, tls.Key)];
        return options;
    }
}
