using System.Security.Cryptography.X509Certificates;
using Gateway.Configuration;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace Gateway.Access;

/// <summary>
/// An issuer's keys, from its file or as it publishes them (OpenID Connect Discovery, §4). Keys inside a token are never used
/// (CVE-2025-24976).
/// </summary>
internal sealed class IssuerKeys(IssuerOptions issuer, TimeProvider clock, ILogger logger) : IDisposable
{
    /// <summary>Keys are fetched again after an hour, so that a withdrawn key does not count for long.</summary>
    private static readonly TimeSpan Fresh = TimeSpan.FromHours(1);

    /// <summary>While the issuer does not respond, its last keys count for a day.</summary>
    private static readonly TimeSpan Retention = TimeSpan.FromDays(1);

    /// <summary>An unknown key id causes a fetch, but not more often than this, because any client can invent one.</summary>
    private static readonly TimeSpan Between = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Maximum bytes; no issuer's discovery document or key set is larger.</summary>
    private const int MaxDocument = 1 << 20;

    private readonly SemaphoreSlim _asking = new(1);
    private readonly HttpClient _http = new(Handler(issuer)) { Timeout = Patience, MaxResponseContentBufferSize = MaxDocument };
    private volatile Known? _known;
    private volatile string? _problem;
    private long _askedAt;

    /// <summary>Why the last fetch of the keys failed, in one line; null if it succeeded.</summary>
    public string? Problem => _problem;

    /// <summary>The keys that count now; empty if none are available.</summary>
    /// <param name="kid">The key id in the token; null for any.</param>
    public async ValueTask<IReadOnlyCollection<SecurityKey>> GetAsync(string? kid, CancellationToken cancellationToken)
    {
        if (Current(kid) is { } current) return current;
        await _asking.WaitAsync(cancellationToken);
        try
        {
            if (Current(kid) is { } other) return other;
            _askedAt = clock.GetTimestamp();
            var keys = issuer.Keys is { } path ? ReadFile(path) : await AskAsync(cancellationToken);
            if (keys is not null) _known = new(keys, clock.GetTimestamp());
            return Usable();
        }
        finally
        {
            _asking.Release();
        }
    }

    public void Dispose()
    {
        _http.Dispose();
        _asking.Dispose();
    }

    /// <summary>The known keys, if they are sufficient or it is too early for another fetch; null if a fetch is due.</summary>
    private IReadOnlyCollection<SecurityKey>? Current(string? kid)
    {
        var known = _known;
        var isFresh = known is not null && clock.GetElapsedTime(known.Since) < Fresh;
        var has = isFresh && (kid is null || known!.Keys.Any(key => key.KeyId == kid));
        return has || (_askedAt != 0 && clock.GetElapsedTime(_askedAt) < Between) ? Usable() : null;
    }

    private IReadOnlyCollection<SecurityKey> Usable() =>
        _known is { } known && clock.GetElapsedTime(known.Since) < Retention ? known.Keys : [];

    private SecurityKey[]? ReadFile(string path)
    {
        try
        {
            return Usable(JsonWebKeySet.Create(BoundedFile.ReadText(path)).GetSigningKeys(), path);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException)
        {
            _problem = problem.Message;
            Log.KeysUnreadable(logger, issuer.Url, path, problem.Message);
            return null;
        }
    }

    // An empty set means that the file or the issuer is in the middle of a change; the known keys stay.
    private SecurityKey[] Usable(ICollection<SecurityKey> keys, string place)
    {
        if (keys.Count == 0) throw new IOException($"expected a key for signatures in {place}, got none");
        _problem = null;
        return [.. keys];
    }

    private async Task<IReadOnlyCollection<SecurityKey>?> AskAsync(CancellationToken cancellationToken)
    {
        var address = issuer.Url.TrimEnd('/') + "/.well-known/openid-configuration";
        // If the issuer's url is https, its keys must be too.
        var documents = new HttpDocumentRetriever(_http) { RequireHttps = issuer.Url.StartsWith("https:", StringComparison.Ordinal) };
        try
        {
            var published = await OpenIdConnectConfigurationRetriever.GetAsync(address, documents, cancellationToken);
            if (published.Issuer == issuer.Url) return Usable(published.SigningKeys, address);
            throw new IOException($"expected the discovery document of the issuer at {address}, got that of another issuer");
        }
        catch (Exception problem) when (problem is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            _problem = problem.InnerException?.Message ?? problem.Message;
            Log.KeysNotAnswered(logger, issuer.Url, _problem);
        }
        return null;
    }

    private static SocketsHttpHandler Handler(IssuerOptions issuer)
    {
        var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, PooledConnectionLifetime = Fresh };
        if (issuer.CertificateAuthority is not { } path) return handler;
        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPemFile(path);
        handler.SslOptions.CertificateChainPolicy = new()
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
        };
        handler.SslOptions.CertificateChainPolicy.CustomTrustStore.AddRange(authorities);
        return handler;
    }

    private sealed record Known(IReadOnlyCollection<SecurityKey> Keys, long Since);
}
