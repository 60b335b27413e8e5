using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gateway.Access;
using Gateway.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Gateway.Tests.Access;

/// <summary>An issuer of identity tokens with an elliptic key, and access control that takes its word.</summary>
internal sealed class IssuerRig : IDisposable
{
    public const string Url = "https://ci.example.com";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gateway-issuer-");
    private readonly ECDsaSecurityKey _key = NewKey("first");

    public IssuerRig(Func<IssuerOptions, IssuerOptions>? change = null, params AccessRule[] rules)
    {
        var keys = Path.Combine(_folder.FullName, "keys.json");
        File.WriteAllText(keys, KeySet(_key));
        var issuer = new IssuerOptions { Url = Url, Keys = keys, Audience = "registry.example.com" };
        Access = new(rules, change?.Invoke(issuer) ?? issuer);
    }

    public AccessIssuerRig Access { get; }

    public static ECDsaSecurityKey NewKey(string id) => new(ECDsa.Create(ECCurve.NamedCurves.nistP256)) { KeyId = id };

    /// <summary>What an issuer publishes of its keys (RFC 7517, 5).</summary>
    public static string KeySet(params ECDsaSecurityKey[] keys) => JsonSerializer.Serialize(new
    {
        keys = keys.Select(key => key.ECDsa.ExportParameters(includePrivateParameters: false)).Zip(keys, (public_, key) => new
        {
            kty = "EC", crv = "P-256", use = "sig", kid = key.KeyId,
            x = Base64UrlEncoder.Encode(public_.Q.X), y = Base64UrlEncoder.Encode(public_.Q.Y),
        }),
    });

    /// <summary>A token as the issuer makes it, good for five minutes, unless claims say otherwise (a null claim is left out).</summary>
    public string Token(params (string Name, object? Value)[] claims) => Sign(_key, claims);

    public string Sign(SecurityKey key, params (string Name, object? Value)[] claims) =>
        new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }
            .CreateToken(Payload(claims), new SigningCredentials(key, key is SymmetricSecurityKey ? "HS256" : "ES256"));

    /// <summary>A token with one more parameter of the header, signed by the issuer.</summary>
    public string TokenWithHeader(string name, object value) => new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }
        .CreateToken(Payload([]), new SigningCredentials(_key, "ES256"), new Dictionary<string, object> { [name] = value });

    /// <summary>A token with this header and nothing of a signature but what is given.</summary>
    public string Unsigned(string header, string signature = "") =>
        $"{Base64UrlEncoder.Encode(header)}.{Base64UrlEncoder.Encode(Payload([]))}.{signature}";

    /// <summary>The public key as somebody might take it for a shared secret.</summary>
    public byte[] PublicKey => Encoding.UTF8.GetBytes(_key.ECDsa.ExportSubjectPublicKeyInfoPem());

    public string Payload((string Name, object? Value)[] claims)
    {
        var now = Access.Clock.GetUtcNow().ToUnixTimeSeconds();
        var all = new Dictionary<string, object?>
        {
            ["iss"] = Url, ["aud"] = "registry.example.com", ["sub"] = "repo:acme/app:ref:refs/heads/main", ["exp"] = now + 300,
        };
        foreach (var (name, value) in claims) all[name] = value;
        return JsonSerializer.Serialize(all.Where(claim => claim.Value is not null).ToDictionary());
    }

    public void Dispose()
    {
        _key.ECDsa.Dispose();
        _folder.Delete(recursive: true);
    }
}

/// <summary>Access control under one issuer named <c>ci</c>, one group of our own, and a clock.</summary>
internal sealed class AccessIssuerRig
{
    public AccessIssuerRig(AccessRule[] rules, IssuerOptions issuer)
    {
        var empty = new AccessOptions();
        Options = empty with
        {
            Issuers = empty.Issuers.Add("ci", issuer),
            Groups = empty.Groups.Add("builders", ["ci:repo:acme/**"]),
            Rules = [.. rules],
        };
        Control = new(Options, Clock, Logged);
    }

    public ManualClock Clock { get; } = new();

    public Lines Logged { get; } = new();

    public AccessOptions Options { get; }

    public AccessControl Control { get; set; }

    public Task<Identity> IdentifyAsync(string authorization) =>
        Control.IdentifyAsync(authorization, System.Net.IPAddress.Loopback, null, CancellationToken.None).AsTask();

    public AccessActions Rights(Identity identity, string repository) =>
        Control.For(identity, Oci.RepositoryName.Parse(repository)).Rights;

    /// <summary>What was logged.</summary>
    internal sealed class Lines : List<string>, ILogger<AccessControl>
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId id, TState state, Exception? exception, Func<TState, Exception?, string> format)
        {
            lock (this) Add(format(state, exception));
        }
    }
}
