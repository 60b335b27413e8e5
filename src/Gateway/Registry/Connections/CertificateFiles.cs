using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Gateway.Access;
using Gateway.Configuration;

namespace Gateway.Registry;

/// <summary>
/// A listener's certificate and key, and the authorities of its clients, from PEM files; new connections use them within a second of a
/// change. The contents are compared and not the files' times, so that folders swapped behind links (Kubernetes' secrets) are noticed too.
/// </summary>
internal sealed class CertificateFiles
{
    /// <summary>How long the files are not looked at again; reading all three took 0.14 ms on a busy machine.</summary>
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromSeconds(1);

    /// <summary>
    /// How long before its end a certificate is reported: ACME renews 30 days before, so that it has failed for two weeks by then.
    /// </summary>
    private static readonly TimeSpan EndsSoon = TimeSpan.FromDays(14);

    private static readonly TimeSpan ToldAgainAfter = TimeSpan.FromDays(1);

    private readonly Lock _looking = new();
    private readonly TlsOptions _files;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private volatile Loaded _loaded;
    private long _lookedAt;
    private long? _toldAt;
    private string? _broken;

    /// <exception cref="IOException">They cannot be used; one line that names the file and what is wrong.</exception>
    public CertificateFiles(TlsOptions files, TimeProvider clock, ILogger logger)
    {
        (_files, _clock, _logger) = (files, clock, logger);
        try
        {
            _loaded = Load(Read(), files);
        }
        catch (Exception exception) when (IsOfFiles(exception))
        {
            throw new IOException(
                $"tls: certificate {files.Certificate} with key {files.Key} cannot be used: {exception.Message}", exception);
        }
        _lookedAt = clock.GetTimestamp();
        TellOfEnd(_loaded);
    }

    /// <summary>The certificate's file, without its folders.</summary>
    public string Name => Path.GetFileName(_files.Certificate);

    /// <summary>When the certificate that is shown now ends.</summary>
    public DateTimeOffset Until => Current().Until;

    /// <summary>What a connection that begins now is shown and asked for.</summary>
    /// <param name="known">Called with the client's identity once its certificate has been verified.</param>
    public SslServerAuthenticationOptions Handshake(Action<ClientCertificate> known)
    {
        var now = Current();
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = now.Certificate,
            ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
            AllowRenegotiation = false,
        };
        if (now.Authorities is not { } authorities) return options;
        options.ClientCertificateRequired = true;
        options.CertificateChainPolicy = ClientCertificate.PolicyOf(authorities);
        // A resumed session would bring the certificate of an earlier connection, verified under what held then.
        options.AllowTlsResume = false;
        options.RemoteCertificateValidationCallback = (_, shown, _, problems) => Accepts(shown as X509Certificate2, problems, known);
        return options;
    }

    private bool Accepts(X509Certificate2? shown, SslPolicyErrors problems, Action<ClientCertificate> known)
    {
        if (shown is null) return !_files.RequireClientCertificate;
        var (read, problem) = problems == SslPolicyErrors.None
            ? ClientCertificate.Read(shown, _files.ClientName)
            : (null, "expected a valid chain from it to a certificate of tls.clientAuthorities; none was found");
        if (read is not null) known(read);
        else Log.ClientRefused(_logger, Printable.Line(shown.Subject, 80), problem);
        return read is not null;
    }

    private Loaded Current()
    {
        if (_clock.GetElapsedTime(Volatile.Read(ref _lookedAt)) < LookAgainAfter || !_looking.TryEnter()) return _loaded;
        try
        {
            Look();
            Volatile.Write(ref _lookedAt, _clock.GetTimestamp());
        }
        finally
        {
            _looking.Exit();
        }
        TellOfEnd(_loaded);
        return _loaded;
    }

    private void Look()
    {
        var state = "";
        try
        {
            var texts = Read();
            state = texts.State;
            if (state == _loaded.State) return;
            _loaded = Load(texts, _files);
            (_broken, _toldAt) = (null, null);
            Log.CertificateTaken(_logger, _files.Certificate, _loaded.Until);
        }
        catch (Exception exception) when (IsOfFiles(exception))
        {
            // Certificate and key are two files: between their two changes they do not fit. It is told when they stay like that.
            var problem = state + exception.Message;
            if (_broken == problem) Log.CertificateStaysInUse(_logger, _files.Certificate, _files.Key, exception.Message, _loaded.Until);
            _broken = _broken == problem || _broken == Told + problem ? Told + problem : problem;
        }
    }

    private const string Told = "told: ";

    private void TellOfEnd(Loaded loaded)
    {
        if (loaded.Until - _clock.GetUtcNow() > EndsSoon || (_toldAt is { } told && _clock.GetElapsedTime(told) < ToldAgainAfter)) return;
        _toldAt = _clock.GetTimestamp();
        Log.CertificateEnds(_logger, _files.Certificate, loaded.Until);
    }

    // ArgumentException: an elliptic curve's key of another certificate.
    private static bool IsOfFiles(Exception exception) =>
        exception is CryptographicException or ArgumentException or UnauthorizedAccessException or IOException;

    private Texts Read() => new(
        BoundedFile.ReadText(_files.Certificate), BoundedFile.ReadText(_files.Key),
        _files.ClientAuthorities is { } file ? BoundedFile.ReadText(file) : "");

    // The file's further certificates are the chain that clients are shown.
    private static Loaded Load(Texts texts, TlsOptions files)
    {
        var certificate = X509Certificate2.CreateFromPem(texts.Certificate, texts.Key);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPem(texts.Certificate);
        X509Certificate2Collection? authorities = null;
        if (files.ClientAuthorities is { } file)
        {
            authorities = [];
            authorities.ImportFromPem(texts.Authorities);
            if (authorities.Count == 0) throw new IOException($"expected a PEM certificate in {file}, got none");
        }
        // Their names are sent, by which clients with several certificates choose.
        var trust = authorities is null ? null : SslCertificateTrust.CreateForX509Collection(authorities, sendTrustInHandshake: true);
        var context = SslStreamCertificateContext.Create(certificate, [.. chain.Skip(1)], offline: true, trust);
        return new(texts.State, context, authorities, certificate.NotAfter.ToUniversalTime());
    }

    private sealed record Texts(string Certificate, string Key, string Authorities)
    {
        /// <summary>Equal where all three are; shows nothing of the key.</summary>
        public string State { get; } = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes($"{Certificate}\0{Key}\0{Authorities}")));
    }

    private sealed record Loaded(
        string State, SslStreamCertificateContext Certificate, X509Certificate2Collection? Authorities, DateTimeOffset Until);
}
