using System.Diagnostics;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Gateway.Commands.Doctor;

/// <summary>
/// Sends the doctor's requests to one server. It accepts every certificate, because later checks must run too, and remembers what was wrong
/// with it.
/// </summary>
internal sealed class Caller : IDisposable
{
    // Chosen: containerd gives up a mirror after its dial_timeout of 2 s to 30 s; a request that takes longer is a fault by itself.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

    // RFC 5280 allows many; one line can name few.
    private const int MostProblems = 3;

    private readonly HttpClient _client;
    private readonly string? _authority;

    /// <param name="authority">PEM file of authorities to trust in place of the system's; null for the system's.</param>
    /// <param name="account">Name and password for the gateway; null for none.</param>
    public Caller(string? authority, (string Name, string Password)? account = null, Uri? proxy = null)
    {
        _authority = authority;
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = proxy is not null,
            Proxy = proxy is null ? null : new System.Net.WebProxy(proxy),
        };
        handler.SslOptions.RemoteCertificateValidationCallback = Look;
        _client = new(handler) { Timeout = Limit };
        if (account is var (name, password))
        {
            var credentials = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{name}:{password}"));
            _client.DefaultRequestHeaders.Authorization = new("Basic", credentials);
        }
    }

    /// <summary>What is wrong with the chain of the certificate; null if nothing is, or no TLS connection was made.</summary>
    public string? ChainProblem { get; private set; }

    /// <summary>The names in the certificate, if the server's is not among them; null otherwise.</summary>
    public string? OtherNames { get; private set; }

    /// <summary>When the certificate expires; null without TLS.</summary>
    public DateTimeOffset? Expires { get; private set; }

    public async Task<Asked> AskAsync(
        HttpMethod method, Uri url, CancellationToken cancellationToken, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, url);
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        var clock = Stopwatch.StartNew();
        try
        {
            using var answer = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            var took = clock.Elapsed;
            var all = answer.Headers.Concat(answer.Content.Headers)
                .ToDictionary(each => each.Key, each => string.Join(", ", each.Value), StringComparer.OrdinalIgnoreCase);
            return new(answer.StatusCode, "", took, all, await ReadAsync(answer, cancellationToken));
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return new(null, e.InnerException?.Message ?? e.Message, clock.Elapsed, new Dictionary<string, string>(), []);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new(null, $"no answer within {Limit.TotalSeconds:0} s", clock.Elapsed, new Dictionary<string, string>(), []);
        }
    }

    private static async Task<byte[]> ReadAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        await using var body = await answer.Content.ReadAsStreamAsync(cancellationToken);
        var bytes = new byte[Math.Min(answer.Content.Headers.ContentLength ?? Asked.MaxBody, Asked.MaxBody)];
        var count = await body.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
        return bytes[..count];
    }

    private bool Look(object sender, X509Certificate? shown, X509Chain? chain, SslPolicyErrors errors)
    {
        if (shown is not X509Certificate2 certificate) return false;
        Expires = certificate.NotAfter;
        OtherNames = errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch) ? NamesIn(certificate) : null;
        ChainProblem = _authority is null
            ? errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors) ? Problems(chain) : null
            : Problems(_authority, certificate, chain);
        return true;
    }

    private static string? Problems(string authority, X509Certificate2 certificate, X509Chain? shown)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.CustomTrustStore.ImportFromPemFile(authority);
        if (shown is not null) chain.ChainPolicy.ExtraStore.AddRange(shown.ChainPolicy.ExtraStore);
        return chain.Build(certificate) ? null : Problems(chain);
    }

    private static string Problems(X509Chain? chain) => chain is null
        ? "its chain cannot be built"
        : string.Join(", ", chain.ChainStatus.Select(status => status.StatusInformation.Trim().TrimEnd('.')).Distinct().Take(MostProblems));

    private static string NamesIn(X509Certificate2 certificate)
    {
        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>()
            .SelectMany(names => names.EnumerateDnsNames().Concat(names.EnumerateIPAddresses().Select(ip => ip.ToString()))).ToArray();
        return names.Length > 0 ? string.Join(", ", names.Take(MostProblems)) : certificate.Subject;
    }

    public void Dispose() => _client.Dispose();
}
