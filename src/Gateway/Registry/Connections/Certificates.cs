using System.Diagnostics.Metrics;
using Gateway.Configuration;

namespace Gateway.Registry;

/// <summary>The certificates of all listeners, each pair of files read once, and the metric of when they end.</summary>
internal sealed class Certificates : IDisposable
{
    private readonly Dictionary<TlsOptions, CertificateFiles> _files = [];
    private readonly Meter _meter = new("Gateway.Tls");

    /// <exception cref="IOException">One cannot be used; the message names the file and what is wrong.</exception>
    public Certificates(GatewayOptions options, TimeProvider clock, ILogger logger)
    {
        foreach (var tls in options.Listen.Select(each => Needed(each.Url, each.Tls ?? options.Tls)).Append(OfOperator(options)))
        {
            if (tls is not null && !_files.ContainsKey(tls)) _files.Add(tls, new(tls, clock, logger));
        }
        _meter.CreateObservableGauge(
            "gateway.tls.certificate.expiry.timestamp",
            () => _files.Values.DistinctBy(file => file.Name).Select(file => new Measurement<long>(
                file.Until.ToUnixTimeSeconds(), new KeyValuePair<string, object?>("certificate", file.Name))),
            "s",
            "Unix time when the certificate in use ends.");
    }

    /// <summary>Those of a listener; null for http.</summary>
    public CertificateFiles? Of(ListenOptions listener, GatewayOptions options) => Find(Needed(listener.Url, listener.Tls ?? options.Tls));

    /// <summary>Those of the operator's port; null for http.</summary>
    public CertificateFiles? Operators(GatewayOptions options) => Find(OfOperator(options));

    public void Dispose() => _meter.Dispose();

    private CertificateFiles? Find(TlsOptions? tls) => tls is null ? null : _files[tls];

    // The operator authenticates with a token: the operator port asks for no client certificate, whatever the top-level section says.
    private static TlsOptions? OfOperator(GatewayOptions options) =>
        Needed(options.Operator.Url, options.Operator.Tls ?? options.Tls) is { } tls ? new(tls.Certificate, tls.Key) : null;

    private static TlsOptions? Needed(Uri url, TlsOptions? tls) => url.Scheme == Uri.UriSchemeHttps ? tls : null;
}
