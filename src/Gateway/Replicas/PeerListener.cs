using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Gateway.Configuration;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Gateway.Replicas;

/// <summary>
/// The listener for other replicas: a server of its own, so that no path, limit or certificate of the clients' listeners leads here. It
/// begins before the gateway takes requests, and ends after them.
/// </summary>
internal sealed class PeerListener(
    ReplicaOptions options, GatewayOptions all, ReplicaSelf self, Members members, PeerFace face, ILoggerFactory loggers) : IHostedService
{
    // Chosen: each replica has a few connections to each other one.
    private const int MostConnections = 1024;

    // As on the listeners for clients, and for the same reason: Kestrel's grace of 5 s ends a follower whose machine pauses.
    private static readonly MinDataRate ResponseRate = new(bytesPerSecond: 240, gracePeriod: TimeSpan.FromMinutes(5));

    private readonly ILogger _logger = loggers.CreateLogger<PeerListener>();
    private WebApplication? _app;

    /// <summary>Binds the listener and makes this replica known. Throws <see cref="IOException"/> if the port cannot be had.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.Services.AddSingleton(loggers);
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(Listen);
        _app = builder.Build();
        _app.Run(face.AnswerAsync);
        await _app.StartAsync(cancellationToken);
        var bound = new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        self.Bound(bound);
        Log.Listening(_logger, bound, self.Url, self.Id);
        await members.BeatAsync();
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_app is null) return;
        await face.StopAsync();
        await _app.StopAsync(cancellationToken);
        await _app.DisposeAsync();
    }

    private void Listen(KestrelServerOptions server)
    {
        server.AddServerHeader = false;
        server.Limits.MaxRequestBodySize = 0;
        server.Limits.MinResponseDataRate = ResponseRate;
        server.Limits.MaxConcurrentConnections = MostConnections;
        var (url, tls) = (options.Listen, options.Tls ?? all.Tls);
        if (IPAddress.TryParse(url.Host.Trim('[', ']'), out var address)) server.Listen(address, url.Port, Configure);
        else server.ListenLocalhost(url.Port, Configure);

        void Configure(Microsoft.AspNetCore.Server.Kestrel.Core.ListenOptions listen)
        {
            listen.Protocols = HttpProtocols.Http1;
            if (url.Scheme == Uri.UriSchemeHttps) listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => new(TlsOf(tls!)) });
        }
    }

    // The files are read for each connection, of which there are few, so that a renewed certificate applies at once.
    private static SslServerAuthenticationOptions TlsOf(TlsOptions tls)
    {
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificate = X509Certificate2.CreateFromPemFile(tls.Certificate, tls.Key),
        };
        if (tls is not { ClientAuthorities: { } file, RequireClientCertificate: true }) return options;
        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPemFile(file);
        options.ClientCertificateRequired = true;
        options.CertificateChainPolicy = new()
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck,
        };
        options.CertificateChainPolicy.CustomTrustStore.AddRange(authorities);
        return options;
    }
}
