using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Gateway.Upstream;

/// <summary>What one request shows to be let in.</summary>
/// <param name="Header">Value of its Authorization header.</param>
/// <param name="IsFresh">Received for this request, or doubted: when it is refused, another one would be too.</param>
internal sealed record Authorization(string Header, bool IsFresh)
{
    /// <summary>For Basic: what is shown.</summary>
    public Credential? Credential { get; init; }

    /// <summary>For Bearer: where the token is kept.</summary>
    public (TokenKey Key, Token Token)? Bearer { get; init; }

    /// <summary>Whether it answers a challenge that named another scope than the token before it was for; that is done once.</summary>
    public bool IsRescoped { get; init; }

    /// <summary>Says nothing.</summary>
    public override string ToString() => "authorization";
}

/// <summary>
/// Answers an upstream's challenges, within the trust boundary, for whoever asks it, and remembers how each endpoint wants to be answered.
/// </summary>
internal sealed class Authenticator(
    RegistryOptions options,
    TrustBoundary boundary,
    TokenCache tokens,
    TokenClient tokenServer,
    PasswordCheck passwords,
    TimeProvider clock,
    ILogger logger)
{
    // One entry for an endpoint: what it asked for last, and whether it named a repository otherwise than it was asked for.
    private readonly ConcurrentDictionary<Uri, (Challenge Challenge, bool Renames)> _lastUsed = new();

    private readonly ScopeNames _names = new();

    private readonly RefusedRequests _refused = new(clock);

    /// <summary>What to show without being asked; null when the endpoint has not asked before.</summary>
    public async Task<Authorization?> PrepareAsync(
        Uri endpoint, CredentialSource credentials, UpstreamRequest request, CancellationToken cancellationToken)
    {
        // Harbor wants Basic for the catalog and tokens for the rest.
        if (request.Noun == UpstreamNoun.Catalog || !_lastUsed.TryGetValue(endpoint, out var last)) return null;
        var challenge = last.Challenge;
        if (challenge.Scheme == "basic")
        {
            var credential = await credentials.GetAsync(cancellationToken);
            if (credential is not null && _refused.Contains(endpoint, credential.Id, request))
                throw RefusedLately(endpoint, request, $"the {credential}");
            return BasicOf(credential);
        }
        // What deleting takes has a name of its own at each registry: it is asked for by its own challenge.
        if (request.Method == HttpMethod.Delete) return null;
        // A mirror that has names of its own says them by its challenge.
        var repository = _names.Find(endpoint, request.Name) ?? (last.Renames ? null : request.Name.Value);
        return repository is null ? null : await BearerAsync(endpoint, credentials, challenge, request, repository, cancellationToken);
    }

    /// <summary>What to show after a 401. Throws <see cref="UpstreamException"/> when there is nothing (else) to show.</summary>
    public async Task<Authorization> AnswerAsync(
        Uri endpoint,
        CredentialSource credentials,
        UpstreamRequest request,
        IReadOnlyList<Challenge> challenges,
        Authorization? refused,
        CancellationToken cancellationToken)
    {
        Challenge[] bearers = [.. challenges.Where(c => c.Scheme == "bearer")];
        var isRescoped = refused is { IsRescoped: false, Bearer: var (used, _) }
            && bearers.Any(c => TokenScope.Of(request, c) != used.Scope);
        if (refused is not null && !isRescoped) await GiveUpAsync(endpoint, credentials, request, refused, cancellationToken);
        foreach (var challenge in bearers)
        {
            var repository = TokenScope.RepositoryOf(request, challenge);
            var authorization = await BearerAsync(endpoint, credentials, challenge, request, repository, cancellationToken);
            if (authorization is null) continue;
            Remember(challenge, repository);
            return authorization with { IsRescoped = isRescoped };
        }
        var basic = challenges.FirstOrDefault(c => c.Scheme == "basic");
        if (basic is not null && BasicOf(await credentials.GetAsync(cancellationToken)) is { } shown)
        {
            Remember(basic, request.Name.Value);
            return shown;
        }
        var offered = string.Join(", ", challenges.Select(c => c.Scheme));
        throw Unauthorized(
            basic is null
                ? $"{endpoint.Authority} lets in only by ways that are not known or not trusted ({offered})"
                : $"{endpoint.Authority} wants a user name and password, and none are configured",
            isOfLogin: basic is not null);

        void Remember(Challenge answered, string repository)
        {
            if (request.Noun == UpstreamNoun.Catalog) return;
            _lastUsed[endpoint] = (answered, repository != request.Name.Value);
            _names.Note(endpoint, request.Name, repository);
        }
    }

    /// <summary>After ECR's 403 for a password that has ended: a new one from the helper, or null when it gives the same.</summary>
    public static async Task<Authorization?> RenewAsync(
        CredentialSource credentials, Authorization ended, CancellationToken cancellationToken)
    {
        if (ended.Credential is not { } old || !credentials.IsHelper) return null;
        credentials.Forget(old);
        var renewed = await credentials.GetAsync(cancellationToken);
        return renewed is null || renewed.Id == old.Id ? null : BasicOf(renewed);
    }

    /// <summary>Drops what was refused; throws when it was fresh.</summary>
    private async Task GiveUpAsync(
        Uri endpoint, CredentialSource credentials, UpstreamRequest request, Authorization refused, CancellationToken cancellationToken)
    {
        if (refused.Credential is { } credential)
        {
            // Some registries answer 401 to an account that may pull and not push, or not list. Pulls find a wrong password.
            if (!request.IsWrite && request.Noun != UpstreamNoun.Catalog)
            {
                if (await passwords.RefusesAsync(endpoint, credential, cancellationToken)) throw credentials.Refuse(credential);
                _refused.Add(endpoint, credential.Id, request);
            }
            throw Unauthorized($"{endpoint.Authority} answered 401 to {UpstreamAnswer.Describe(request)} with the {credential}");
        }
        if (refused.Bearer is not var (key, token)) return;
        if (!refused.IsFresh)
        {
            tokens.Drop(key, token);
            return;
        }
        // The token stays: it may be good for every other request.
        token.Doubt(clock.GetUtcNow() + RefusedRequests.Lifetime);
        _refused.Add(endpoint, key.CredentialId, request);
        throw Unauthorized(
            $"{endpoint.Authority} answered 401 to {UpstreamAnswer.Describe(request)} with a new token for {key.Scope}");
    }

    private static Authorization? BasicOf(Credential? credential) => credential is null or { IsRefreshToken: true }
        ? null
        : new Authorization(credential.Basic, IsFresh: true) { Credential = credential };

    /// <summary>A token for what the request needs; null when the realm is not one to be asked.</summary>
    private async Task<Authorization?> BearerAsync(
        Uri endpoint, CredentialSource credentials, Challenge challenge, UpstreamRequest request, string repository,
        CancellationToken cancellationToken)
    {
        if (!Uri.TryCreate(challenge["realm"], UriKind.Absolute, out var named)) return null;
        var realm = boundary.Resolve(endpoint, named);
        var trust = boundary.Judge(endpoint, realm);
        if (trust == RealmTrust.Refused)
        {
            Log.RealmRefused(logger, options.Key, realm.Authority);
            return null;
        }
        var credential = await CredentialForAsync(credentials, trust, realm, cancellationToken);
        var scope = TokenScope.Of(request, challenge, repository);
        var key = new TokenKey(realm.GetLeftPart(UriPartial.Query), challenge["service"] ?? "", scope, credential?.Id);
        if (_refused.Contains(endpoint, key.CredentialId, request)) throw RefusedLately(endpoint, request, $"a new token for {scope}");
        var started = clock.GetUtcNow();
        if (tokens.Find(key) is { } known) return BearerOf(key, known, known.IsDoubted(started));
        try
        {
            var token = await tokens.GetAsync(key, () => tokenServer.FetchAsync(key, credential), cancellationToken);
            return BearerOf(key, token, token.Issued >= started);
        }
        catch (CredentialRefusedException e)
        {
            throw request.Noun == UpstreamNoun.Catalog
                ? Unauthorized($"no token for {scope}: {e.Message}")
                : credentials.Refuse(e.Credential);
        }
    }

    private async Task<Credential?> CredentialForAsync(
        CredentialSource credentials, RealmTrust trust, Uri realm, CancellationToken cancellationToken)
    {
        if (trust == RealmTrust.Credentials) return await credentials.GetAsync(cancellationToken);
        if (!credentials.IsAnonymous) Log.RealmNotTrusted(logger, options.Key, realm.Authority);
        return null;
    }

    private static Authorization BearerOf(TokenKey key, Token token, bool isFresh) =>
        new($"Bearer {token.Value}", isFresh) { Bearer = (key, token) };

    private UpstreamException RefusedLately(Uri endpoint, UpstreamRequest request, string shown) => Unauthorized(
        $"{endpoint.Authority} answered 401 to {UpstreamAnswer.Describe(request)} with {shown} "
        + $"less than {RefusedRequests.Lifetime.TotalSeconds:0} s ago");

    private UpstreamException Unauthorized(string what, bool isOfLogin = false) =>
        new(UpstreamFailure.Unauthorized, $"upstream {options.Key}: {what}", status: 401) { IsOfLogin = isOfLogin };
}
