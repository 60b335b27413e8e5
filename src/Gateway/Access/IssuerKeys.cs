using System.Security.Cryptography.X509Certificates;
using Gateway.Configuration;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace Gateway.Access;

/// <summary>
/// An issuer's keys: what its file holds, or what it publishes (OpenID Connect Discovery, §4). Keys that a token brings itself are never
/// looked at (CVE-2025-24976).
/// </summary>
internal sealed class IssuerKeys(IssuerOptions issuer, TimeProvider clock, ILogger logger) : IDisposable
{
    /// <summary>Keys are asked for again after an hour, so that a withdrawn one does not count for long.</summary>
    private static readonly TimeSpan Fresh = TimeSpan.FromHours(1);

    /// <summary>While the issuer does not answer, its last keys count for a day.</summary>
    private static readonly TimeSpan Retention = TimeSpan.FromDays(1);

    /// <summary>An unknown key id makes us ask, but not more often than this: anybody can make one up.</summary>
    private static readonly TimeSpan Between = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Larger than any issuer's discovery document or key set.</summary>
    private const int MaxDocument = 1 << 20;

    private readonly SemaphoreSlim _asking = new(1);
    private readonly HttpClient _http = new(Handler(issuer)) { Timeout = Patience, MaxResponseContentBufferSize = MaxDocument };
    private volatile Known? _known;
    private volatile string? _problem;
    private long _askedAt;

    /// <summary>Why the keys could not be had when they were last asked for, in one line; null when they could.</summary>
    public string? Problem => _problem;

    /// <summary>The keys that count now; empty when none can be had.</summary>
    /// <param name="kid">The key that is wanted, by the token's word; null for any.</param>
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

    /// <summary>What we know, where that is enough or it is too soon to ask again; null when somebody should.</summary>
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

    // No keys at all are a file or an issuer in the middle of a change: what was known stays.
    private SecurityKey[] Usable(ICollection<SecurityKey> keys, string place)
    {
        if (keys.Count == 0) throw new IOException($"{place} holds no key for signatures");
        _problem = null;
        return [.. keys];
    }

    private async Task<IReadOnlyCollection<SecurityKey>?> AskAsync(CancellationToken cancellationToken)
    {
        var address = issuer.Url.TrimEnd('/') + "/.well-known/openid-configuration";
        // Where the issuer itself is asked over https, its keys are too.
        var documents = new HttpDocumentRetriever(_http) { RequireHttps = issuer.Url.StartsWith("https:", StringComparison.Ordinal) };
        try
        {
            var published = await OpenIdConnectConfigurationRetriever.GetAsync(address, documents, cancellationToken);
            if (published.Issuer == issuer.Url) return Usable(published.SigningKeys, address);
            throw new IOException($"{address} is of another issuer");
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
