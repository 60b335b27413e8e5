using System.Collections.Frozen;
using System.Collections.Immutable;
using Gateway.Configuration;
using Gateway.Policy;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Gateway.Access;

/// <summary>
/// Checks identity tokens of configured issuers (OpenID Connect; RFC 7519). The configuration decides which issuer, audience, keys and
/// algorithms count, never the token.
/// </summary>
internal sealed class ExternalIssuers
{
    /// <summary>
    /// Maximum length of a token in characters; GitHub's have about 1,700, those of a cluster with many groups about 6,000.
    /// </summary>
    public const int MaxLength = 12 * 1024;

    /// <summary>Clocks of issuers and gateways differ by some seconds (RFC 7519, 4.1.4: "no more than a few minutes").</summary>
    private static readonly TimeSpan Skew = TimeSpan.FromSeconds(60);

    /// <summary>Only asymmetric signatures: with a shared secret, the verifier could also sign.</summary>
    private static readonly string[] Algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];

    private const string NoSuchKey = "expected a key of its issuer, got another";

    private static readonly Identity.Wrong NotRead = new("the identity token cannot be read, or no issuer of access.issuers made it");

    private readonly FrozenDictionary<string, (string Name, IssuerOptions Options, IssuerKeys Keys)> _byUrl;
    private readonly FrozenSet<string> _groups;
    private readonly JsonWebTokenHandler _handler = new() { MaximumTokenSizeInBytes = MaxLength, MapInboundClaims = false };
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;

    /// <param name="before">The issuers of the previous configuration; an unchanged issuer keeps its keys.</param>
    public ExternalIssuers(AccessOptions? options, ExternalIssuers? before, TimeProvider clock, ILogger logger)
    {
        (_clock, _logger) = (clock, logger);
        Options = options?.Issuers ?? ImmutableSortedDictionary<string, IssuerOptions>.Empty;
        _byUrl = Options.ToFrozenDictionary(
            pair => pair.Value.Url, pair => (pair.Key, pair.Value, before?.KeysOf(pair.Value) ?? new(pair.Value, clock, logger)),
            StringComparer.Ordinal);
        _groups = (options?.Rules ?? []).SelectMany(rule => rule.Actors).Where(actor => actor.StartsWith('@'))
            .ToFrozenSet(StringComparer.Ordinal);
    }

    public ImmutableSortedDictionary<string, IssuerOptions> Options { get; }

    /// <summary>
    /// Whether this looks like an identity token: three parts, the first of which begins with <c>{"</c>. The gateway's tokens have one
    /// part.
    /// </summary>
    public bool IsToken(string text) =>
        _byUrl.Count > 0 && text.StartsWith("eyJ", StringComparison.Ordinal) && text.AsSpan().Count('.') == 2;

    /// <summary>When this token ends by its <c>exp</c>, unchecked; null for any other text, and where it says no end.</summary>
    public DateTimeOffset? EndOf(string text) =>
        IsToken(text) && text.Length <= MaxLength && TryParse(text, out var token) && token.ValidTo != DateTime.MinValue
            ? new DateTimeOffset(token.ValidTo, TimeSpan.Zero)
            : null;

    /// <summary>The identity of this token: an actor named <c>issuer:claim</c>.</summary>
    public async ValueTask<Identity> ReadAsync(string text, CancellationToken cancellationToken)
    {
        if (text.Length > MaxLength || !TryParse(text, out var token) || !_byUrl.TryGetValue(token.Issuer, out var issuer)) return NotRead;
        var keys = await issuer.Keys.GetAsync(token.Kid is { Length: > 0 } kid ? kid : null, cancellationToken);
        if (keys.Count == 0) return KeysMissing(issuer.Name);
        var problem = await ProblemOfAsync(token, issuer.Options, keys) ?? ProblemOfClaims(token, issuer.Options);
        if (problem is null)
            return new Identity.Known($"{issuer.Name}:{Claim(token, issuer.Options.Actor)}") { Groups = GroupsOf(token, issuer) };
        // An issuer that cannot be reached may have created this key in the meantime.
        if (problem == NoSuchKey && issuer.Keys.Problem is not null) return KeysMissing(issuer.Name);
        Log.TokenRefused(_logger, issuer.Name, problem);
        return new Identity.Wrong($"the token of issuer {issuer.Name} is refused: {problem}");
    }

    /// <summary>Each issuer, with the reason why its keys could not be fetched the last time; null if they could.</summary>
    public IEnumerable<(string Source, string? Problem)> Sources => _byUrl.Values.Select(each => (each.Name, each.Keys.Problem));

    private static Identity.Undecided KeysMissing(string issuer) =>
        new($"the token of issuer {issuer} cannot be checked, because its issuer's keys are unavailable; try again");

    private IssuerKeys? KeysOf(IssuerOptions next) =>
        _byUrl.TryGetValue(next.Url, out var same) && same.Options.ToString() == next.ToString() ? same.Keys : null;

    private static bool TryParse(string text, out JsonWebToken token)
    {
        try
        {
            token = new(text);
            // The library decodes text on access, and only then finds an unpaired surrogate.
            _ = (token.Issuer, token.Claims.Count());
            return true;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            token = null!;
            return false;
        }
    }

    private async Task<string?> ProblemOfAsync(JsonWebToken token, IssuerOptions issuer, IEnumerable<SecurityKey> keys)
    {
        var result = await _handler.ValidateTokenAsync(token, new()
        {
            ValidIssuer = issuer.Url,
            ValidAudience = issuer.Audience,
            ValidAlgorithms = Algorithms,
            IssuerSigningKeys = keys,
            RequireSignedTokens = true,
            IgnoreTrailingSlashWhenValidatingAudience = false,
            // The lifetime is checked below, by the gateway's clock.
            ValidateLifetime = false,
            RequireExpirationTime = false,
        });
        // RFC 7515, 4.1.11: it lists what a recipient must understand, and this one understands none.
        if (token.TryGetHeaderValue("crit", out object _)) return "expected no crit in its header, got one";
        return result.IsValid ? ProblemOfTime(token) : result.Exception switch
        {
            SecurityTokenInvalidAudienceException => $"expected aud {issuer.Audience}, got {Shown(string.Join(", ", token.Audiences))}",
            SecurityTokenInvalidAlgorithmException => $"expected an alg of {string.Join(", ", Algorithms)}, got {Shown(token.Alg)}",
            SecurityTokenSignatureKeyNotFoundException => NoSuchKey,
            _ => "expected a signature of its issuer, got another",
        };
    }

    private string? ProblemOfTime(JsonWebToken token)
    {
        var now = _clock.GetUtcNow().UtcDateTime;
        // MinValue means that the claim is missing.
        if (token.ValidTo == DateTime.MinValue) return "expected exp, got none";
        if (token.ValidTo <= now - Skew) return $"it expired at {token.ValidTo:u}";
        return token.ValidFrom != DateTime.MinValue && token.ValidFrom > now + Skew ? $"it is not valid before {token.ValidFrom:u}" : null;
    }

    private static string? ProblemOfClaims(JsonWebToken token, IssuerOptions issuer)
    {
        if (Claim(token, issuer.Actor) is not { Length: > 0 and <= 255 } actor || actor.Any(char.IsControl))
            return $"expected claim {issuer.Actor} with the name of the actor";
        foreach (var (name, pattern) in issuer.Require)
        {
            var value = Claim(token, name);
            if (value is null || !Glob.IsMatch(pattern, value))
                return $"expected claim {name} to be {pattern}, got {Shown(value ?? "none")}";
        }
        return null;
    }

    /// <summary>The token's groups that a rule names; others make no difference.</summary>
    private ImmutableArray<string> GroupsOf(JsonWebToken token, (string Name, IssuerOptions Options, IssuerKeys) issuer) =>
        issuer.Options.Groups is not { } claim
            ? []
            : [.. token.Claims.Where(c => c.Type == claim).Select(c => $"@{issuer.Name}:{c.Value}").Where(_groups.Contains).Distinct()];

    private static string? Claim(JsonWebToken token, string name) => token.TryGetClaim(name, out var claim) ? claim.Value : null;

    private static string Shown(string text) => Oci.Printable.Line(text, 80);
}
