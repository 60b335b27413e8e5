using System.Collections.Concurrent;

namespace Gateway.Upstream;

/// <summary>The authorization that one request to an upstream carries.</summary>
/// <param name="Header">The value of the Authorization header.</param>
/// <param name="IsFresh">
/// Whether a new authorization would not help after a refusal: this one was obtained for this request, or was refused when it was new.
/// </param>
internal sealed record Authorization(string Header, bool IsFresh)
{
    /// <summary>For Basic: the credential that the header contains; otherwise null.</summary>
    public Credential? Credential { get; init; }

    /// <summary>For Bearer: the token, and its key in the <see cref="TokenCache"/>; otherwise null.</summary>
    public (TokenKey Key, Token Token)? Bearer { get; init; }

    /// <summary>
    /// Whether it answers a challenge that named another scope than that of the previous token. The gateway does this once per request.
    /// </summary>
    public bool IsRescoped { get; init; }

    /// <summary>A fixed text, so that no secret can reach a log.</summary>
    public override string ToString() => "authorization";
}

/// <summary>
/// Answers the challenges of one upstream's endpoints, within the trust boundary, and remembers the last challenge of each endpoint.
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
    // For each endpoint: its last challenge, and whether that says nothing about other repositories: it used another name for the
    // repository than the request, or the endpoint has named several token servers (Artifactory: one for each first component of a path).
    private readonly ConcurrentDictionary<Uri, (Challenge Challenge, bool Renames, bool Varies)> _lastUsed = new();

    private readonly KnownChallenges _ofRepositories = new();

    private readonly RefusedRequests _refused = new(clock);

    /// <summary>
    /// The authorization to send before the endpoint sends a challenge; null if the endpoint's last challenge is unknown or does not apply.
    /// </summary>
    /// <exception cref="UpstreamException">
    /// The endpoint refused this request less than <see cref="RefusedRequests.Lifetime"/> ago.
    /// </exception>
    public async Task<Authorization?> PrepareAsync(
        Uri endpoint, CredentialSource credentials, UpstreamRequest request, CancellationToken cancellationToken)
    {
        // Harbor requires Basic for the catalog and tokens for everything else.
        if (request.Noun == UpstreamNoun.Catalog || FindKnown(endpoint, request) is not var (challenge, repository)) return null;
        if (challenge.Scheme == "basic")
        {
            var credential = await credentials.GetAsync(cancellationToken);
            if (credential is not null && _refused.Contains(endpoint, credential.Id, request))
                throw RefusedLately(endpoint, request, $"the {credential}");
            return BasicOf(credential);
        }
        // Registries use different scopes for deletion, so the gateway waits for the challenge to this request.
        if (request.Method == HttpMethod.Delete) return null;
        try
        {
            return await BearerAsync(endpoint, credentials, challenge, request, repository, cancellationToken);
        }
        catch (UpstreamException e) when (e.IsOfTokenServer)
        {
            // It may have moved, or be the token server of other repositories: the next request asks the endpoint.
            _ofRepositories.Doubt(endpoint, request.Name);
            throw;
        }
    }

    /// <summary>The challenge that the endpoint would send to this request, and its name for the repository; null if unknown.</summary>
    private (Challenge Challenge, string Repository)? FindKnown(Uri endpoint, UpstreamRequest request)
    {
        if (_ofRepositories.TryFind(endpoint, request.Name, out var known)) return known;
        return _lastUsed.TryGetValue(endpoint, out var last) && last is { Renames: false, Varies: false }
            ? (last.Challenge, request.Name.Value)
            : null;
    }

    /// <summary>The authorization to send after a 401.</summary>
    /// <exception cref="UpstreamException">The gateway has no (other) authorization for these challenges.</exception>
    public async Task<Authorization> AnswerAsync(
        Uri endpoint,
        CredentialSource credentials,
        UpstreamRequest request,
        IReadOnlyList<Challenge> challenges,
        Authorization? refused,
        CancellationToken cancellationToken)
    {
        Challenge[] bearers = [.. challenges.Where(c => c.Scheme == "bearer")];
        // Only an anonymous token: a token server that the registry no longer names must not get the password, and if it refused the
        // account, the account would pause.
        if (refused is { IsFresh: false, Bearer: ({ CredentialId: null } key, _) }
            && bearers.Length > 0 && !bearers.Any(c => IsOf(endpoint, c, key))
            && await RenewTokenAsync(endpoint, credentials, request, refused, cancellationToken) is { } renewed)
        {
            return renewed;
        }
        var isRescoped = refused is { IsRescoped: false, Bearer: var (used, _) }
            && bearers.Any(c => TokenScope.Of(request, c) != used.Scope || !IsOf(endpoint, c, used));
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
                ? $"expected a challenge from {endpoint.Authority} that the gateway supports and trusts, got '{offered}'"
                : $"{endpoint.Authority} requires a user name and password; add credentials to the upstream",
            isOfLogin: basic is not null);

        void Remember(Challenge answered, string repository)
        {
            if (request.Noun == UpstreamNoun.Catalog) return;
            var (renames, isKnown) = (repository != request.Name.Value, _lastUsed.TryGetValue(endpoint, out var last));
            var varies = isKnown && (last.Varies || last.Challenge["realm"] != answered["realm"]);
            _lastUsed[endpoint] = (answered, renames, varies);
            if (renames || varies) _ofRepositories.Note(endpoint, request.Name, answered, repository);
            else _ofRepositories.Remove(endpoint, request.Name);
        }
    }

    /// <summary>
    /// A new authorization from the credential helper, after ECR's 403 for an expired password. Null if the helper returns the same
    /// password, or there is no helper.
    /// </summary>
    public static async Task<Authorization?> RenewAsync(
        CredentialSource credentials, Authorization ended, CancellationToken cancellationToken)
    {
        if (ended.Credential is not { } old || !credentials.IsHelper) return null;
        credentials.Forget(old);
        var renewed = await credentials.GetAsync(cancellationToken);
        return renewed is null || renewed.Id == old.Id ? null : BasicOf(renewed);
    }

    /// <summary>
    /// A new anonymous token of the token server that gave the refused one; null if it gives none. The challenge of a refusal can name a
    /// token server that knows no anonymous clients (nvcr.io: NVIDIA/nvidia-container-toolkit#1945).
    /// </summary>
    private async Task<Authorization?> RenewTokenAsync(
        Uri endpoint, CredentialSource credentials, UpstreamRequest request, Authorization refused, CancellationToken cancellationToken)
    {
        var (key, token) = refused.Bearer!.Value;
        tokens.Drop(key, token);
        try
        {
            return await PrepareAsync(endpoint, credentials, request, cancellationToken);
        }
        catch (UpstreamException e) when (e.IsOfTokenServer)
        {
            return null;
        }
    }

    /// <summary>
    /// Removes a refused token from the cache; throws <see cref="UpstreamException"/> if a new authorization would not help.
    /// </summary>
    private async Task GiveUpAsync(
        Uri endpoint, CredentialSource credentials, UpstreamRequest request, Authorization refused, CancellationToken cancellationToken)
    {
        if (refused.Credential is { } credential)
        {
            // Some registries answer 401 to an account that has no permission to push or list. Only a pull shows a wrong password.
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
        // Keep the token: other requests may succeed with it.
        token.Doubt(clock.GetUtcNow() + RefusedRequests.Lifetime);
        _refused.Add(endpoint, key.CredentialId, request);
        throw Unauthorized(
            $"{endpoint.Authority} answered 401 to {UpstreamAnswer.Describe(request)} with a new token for {key.Scope}");
    }

    private static Authorization? BasicOf(Credential? credential) => credential is null or { IsRefreshToken: true }
        ? null
        : new Authorization(credential.Basic, IsFresh: true) { Credential = credential };

    /// <summary>A token for the scope of the request; null if the trust boundary refuses the token server.</summary>
    private async Task<Authorization?> BearerAsync(
        Uri endpoint, CredentialSource credentials, Challenge challenge, UpstreamRequest request, string repository,
        CancellationToken cancellationToken)
    {
        if (RealmOf(endpoint, challenge) is not { } realm) return null;
        var trust = boundary.TrustOf(endpoint, realm);
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

    /// <summary>Whether the challenge names the token server of the token; also if it names none that the gateway can ask.</summary>
    private bool IsOf(Uri endpoint, Challenge challenge, TokenKey key) =>
        RealmOf(endpoint, challenge) is not { } realm || realm.GetLeftPart(UriPartial.Query) == key.Realm;

    private Uri? RealmOf(Uri endpoint, Challenge challenge) =>
        Uri.TryCreate(challenge["realm"], UriKind.Absolute, out var named) ? boundary.Resolve(endpoint, named) : null;

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
