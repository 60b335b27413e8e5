using System.Collections.Immutable;
using System.Net;
using Gateway.Configuration;
using Gateway.Policy;

namespace Gateway.Access;

/// <summary>
/// Identifies callers and evaluates their rights. Immutable except for its caches; a reload creates another instance with <see
/// cref="With"/>, so a request keeps the instance that it started with.
/// </summary>
internal sealed class AccessControl
{
    private static readonly Identity.Wrong WrongPassword = new("wrong account or password; run docker login again");

    private static readonly Identity.Wrong WrongToken = new("the token has expired or is not from this gateway; request another");

    private static readonly Identity.Wrong WrongScheme = new("expected Basic or Bearer credentials in the Authorization header");

    private static readonly Identity.Undecided NoAccounts =
        new("the gateway cannot read its accounts now, so it cannot check the password; try again, or ask the operator");

    /// <summary>Bearer token of clients without credentials that want to be anonymous (Homebrew).</summary>
    private const string NoToken = "QQ==";

    // No name and no pattern has a space. A pattern that matches one of these matches every name of as many components, so a set of
    // patterns that covers all of them covers every repository.
    private static readonly string[] EveryDepth = [" ", " / ", " / / ", " / / / / / / / "];

    private static readonly Identity.Wrong CertificateEnded = new("the client certificate has expired; connect with a valid one");

    private readonly AccessOptions? _options;
    private readonly Shared _shared;
    private readonly HtpasswdFile? _accounts;
    private readonly ExternalIssuers _issuers;

    /// <param name="tokenKeyFile">The file with the secret that tokens are signed with; null for one of this process alone.</param>
    /// <exception cref="IOException">The file has no secret.</exception>
    public AccessControl(AccessOptions? options, TimeProvider clock, ILogger<AccessControl> logger, string? tokenKeyFile = null)
        : this(options, new Shared(clock, logger, SignerOf(tokenKeyFile, clock, logger) ?? new(clock), new(clock), new(clock)), null, null)
    {
    }

    private AccessControl(AccessOptions? options, Shared shared, HtpasswdFile? accounts, ExternalIssuers? issuers)
    {
        _options = options;
        _shared = shared;
        _accounts = options?.Htpasswd is not { } path ? null : accounts?.Path == path ? accounts : new(path, shared.Clock, shared.Logger);
        _issuers = new(options, issuers, shared.Clock, shared.Logger);
        // The file exists: the configuration was checked with it.
        _ = _accounts?.IsKnown;
    }

    /// <summary>
    /// Sources of identities: <c>htpasswd</c>, and issuers by name; each with its problem, or null.
    /// </summary>
    public IEnumerable<(string Source, string? Problem)> Sources =>
        (_accounts is null ? [] : ((string, string?)[])[("htpasswd", _accounts.Problem)]).Concat(_issuers.Sources);

    /// <summary>The problems of the sources, in one line; null for none.</summary>
    public string? Problem => string.Join("; ", Sources.Where(s => s.Problem is not null).Select(s => $"{s.Source}: {s.Problem}")) is
        { Length: > 0 } problems
        ? $"the previous ones stay in force: {problems}"
        : null;

    /// <summary>No <c>access</c> section: every caller has all rights, and no caller is identified.</summary>
    public bool IsOpen => _options is null;

    /// <summary>
    /// The same caches and delays with new rules, and the same key of tokens unless a file has another, so tokens survive a reload.
    /// </summary>
    /// <exception cref="IOException">The file has no secret.</exception>
    public AccessControl With(AccessOptions? next, string? tokenKeyFile = null) => new(
        next, _shared with { Tokens = SignerOf(tokenKeyFile, _shared.Clock, _shared.Logger) ?? _shared.Tokens }, _accounts, _issuers);

    private static TokenSigner? SignerOf(string? file, TimeProvider clock, ILogger logger)
    {
        if (file is null) return null;
        // At the start and at a reload, a file without a secret is an error.
        _ = TokenFile.Read(file);
        return new(clock, new(file, clock, why => Log.TokenKeyUnreadable(logger, why)));
    }

    /// <summary>Reads an <c>Authorization</c> header. Credentials that are sent are always checked, even if none are needed.</summary>
    /// <param name="remote">Address that a failed login counts against; null for all such callers together.</param>
    /// <param name="certificate">Identifies the client if the header does not; never used for a token.</param>
    public async ValueTask<Identity> IdentifyAsync(
        string? authorization, IPAddress? remote, ClientCertificate? certificate, CancellationToken cancellationToken)
    {
        var identity = await IdentifyAsync(authorization, remote, cancellationToken);
        if (certificate is null || IsOpen || identity is not Identity.Anonymous) return identity;
        return certificate.Until > _shared.Clock.GetUtcNow() ? new Identity.Known(certificate.Actor) : CertificateEnded;
    }

    private async ValueTask<Identity> IdentifyAsync(string? authorization, IPAddress? remote, CancellationToken cancellationToken)
    {
        if (IsOpen || string.IsNullOrEmpty(authorization)) return Identity.Anonymous.Instance;
        if (After("Bearer ", authorization) is { } token)
        {
            if (token == NoToken) return Identity.Anonymous.Instance;
            return _issuers.IsToken(token) ? await _issuers.ReadAsync(token, cancellationToken) : ReadToken(token, TokenUse.Bearer);
        }
        return After("Basic ", authorization) is { } encoded
            ? await LogInAsync(BasicCredentials.Parse(encoded), remote, cancellationToken)
            : WrongScheme;
    }

    /// <summary>Name and password of a Basic header, unchecked; null for anything else.</summary>
    public static BasicCredentials? ReadBasic(string authorization) =>
        After("Basic ", authorization) is { } encoded ? BasicCredentials.Parse(encoded) : null;

    /// <summary>Waits as after a wrong password, for a password that an upstream refused, so that guessing it is slow as well.</summary>
    public Task HoldBackAsync(IPAddress? remote, CancellationToken cancellationToken) =>
        _shared.Failures.DelayAsync(remote, cancellationToken);

    /// <summary>The caller for this identity in this repository, with its rights.</summary>
    /// <param name="canonicalName">The name that access rules see (<c>Routed.CanonicalName</c>).</param>
    /// <param name="authorization">Whether that still holds when something is changed.</param>
    public Caller For(Identity identity, RepositoryName canonicalName, IRequestAuthorization? authorization = null) => identity switch
    {
        Identity.Known known => new(known.Actor, RightsOf(known, canonicalName.Value)) { Authorization = authorization },
        Identity.Anonymous => new(Caller.Anonymous, RightsOf(null, canonicalName.Value)) { Authorization = authorization },
        _ => new(Caller.Anonymous, AccessActions.None),
    };

    /// <summary>
    /// Whether an identity can use the web application of the upstream of a route: a rule must allow it for everything below the
    /// route's prefix.
    /// </summary>
    public bool MayUseWeb(Identity identity, string prefix)
    {
        if (identity is not (Identity.Known or Identity.Anonymous)) return false;
        var known = identity as Identity.Known;
        return Array.TrueForAll(
            EveryDepth, name => RightsOf(known, prefix.Length == 0 ? name : $"{prefix}/{name}").HasFlag(AccessActions.Web));
    }

    /// <summary>
    /// Whether an identity administers the whole gateway: a rule must give it the right <c>admin</c> in every repository. Without access
    /// rules nobody does.
    /// </summary>
    public bool MayAdminister(Identity identity) =>
        !IsOpen && identity is Identity.Known known
        && Array.TrueForAll(EveryDepth, name => RightsOf(known, name).HasFlag(AccessActions.Admin));

    /// <summary>
    /// Whether an actor has rights of its own. Everyone at a public issuer can get a token for this gateway; rules name few of them.
    /// </summary>
    public bool IsNamed(Identity.Known who) =>
        IsOpen || who.Issuer is null || _options!.Rules.Any(rule => Names(rule.Actors.Remove(Caller.Anonymous), who));

    /// <summary>When an identity token ends by its <c>exp</c>, unchecked; null for any other text.</summary>
    public DateTimeOffset? EndOf(string token) => _issuers.EndOf(token);

    /// <summary>
    /// The current proof of an identity: its password's hash, or its issuer's options. Null if it is unknown, and for identities without
    /// an account: anonymous, and a certificate, which its connection proves.
    /// </summary>
    public string? ProofOf(Identity identity) => identity is Identity.Known known ? KnownBy(known) : null;

    /// <summary>Whether an identity still has the same proof. A token that expires during its request does not matter.</summary>
    /// <param name="proof">The result of <see cref="ProofOf"/> at the start of the request.</param>
    public bool StillKnows(Identity identity, string? proof) => IsOpen || ProofOf(identity) == proof;

    /// <summary>
    /// The token endpoint, for GET (header) and POST (form). Without credentials it issues an anonymous token, with which clients
    /// continue.
    /// </summary>
    public async ValueTask<TokenAnswer> IssueTokenAsync(
        string? authorization, TokenRequest request, IPAddress? remote, CancellationToken cancellationToken)
    {
        if (IsOpen) return Answer(Identity.Anonymous.Instance, offline: false);
        switch (request.GrantType)
        {
            case null:
                // A bearer token is not accepted as a credential here, because it could renew itself forever.
                var renewsItself = After("Bearer ", authorization ?? "") is { } shown && !_issuers.IsToken(shown);
                return Answer(renewsItself ? WrongScheme : await IdentifyAsync(authorization, remote, cancellationToken), offline: false);
            case "password" when request is { Username: { } account, Password: { } password }:
                return Answer(await LogInAsync(new(account, password), remote, cancellationToken), request.Offline);
            case "refresh_token" when request.RefreshToken is { } token:
                return Answer(ReadToken(token, TokenUse.Refresh), offline: false);
            default:
                return new TokenAnswer.Malformed(
                    "expected grant_type password with username and password, or grant_type refresh_token with refresh_token");
        }
    }

    private TokenAnswer Answer(Identity identity, bool offline)
    {
        if (identity is Identity.Undecided undecided) return new TokenAnswer.Unavailable(undecided.Why);
        if (identity is Identity.Wrong wrong) return new TokenAnswer.Refused(wrong.Reason, wrong.Account);
        var who = identity as Identity.Known;
        var knownBy = who is null ? null : KnownBy(who);
        var token = _shared.Tokens.Make(TokenUse.Bearer, who, knownBy);
        // An identity token is valid for a limited time; the gateway's token must not outlive it by hours.
        var refresh = offline && who is { Issuer: null } ? _shared.Tokens.Make(TokenUse.Refresh, who, knownBy) : null;
        return new TokenAnswer.Issued(
            new(token, token, (int)TokenSigner.BearerLife.TotalSeconds, _shared.Clock.GetUtcNow(), refresh), who?.Actor);
    }

    private Identity ReadToken(string token, TokenUse use) => _shared.Tokens.Read(token, use, KnownBy) ?? WrongToken;

    /// <summary>
    /// The current proof of an actor: its password's hash, or its issuer's options; null if the actor is no longer known.
    /// </summary>
    private string? KnownBy(Identity.Known who) =>
        who.Issuer is not { } issuer ? _accounts?.HashOf(who.Actor) : _issuers.Options.GetValueOrDefault(issuer)?.ToString();

    private async ValueTask<Identity> LogInAsync(BasicCredentials? credentials, IPAddress? remote, CancellationToken cancellationToken)
    {
        // Some clients can only send an identity token as a password, with any name.
        if (credentials is not null && _issuers.IsToken(credentials.Password))
        {
            var read = await _issuers.ReadAsync(credentials.Password, cancellationToken);
            if (read is Identity.Wrong) await _shared.Failures.DelayAsync(remote, cancellationToken);
            return read;
        }
        if (_accounts is { IsKnown: false }) return NoAccounts;
        if (credentials is not null && _accounts is not null)
        {
            var hash = _accounts.HashOf(credentials.Account);
            var isRight = await _shared.Passwords.IsRightAsync(credentials, hash ?? _accounts.Decoy, remote, cancellationToken);
            if (isRight && hash is not null) return new Identity.Known(credentials.Account);
            if (hash is null) Log.UnknownAccount(_shared.Logger, remote);
            else Log.WrongPassword(_shared.Logger, credentials.Account, remote);
            await _shared.Failures.DelayAsync(remote, cancellationToken);
            return hash is null ? WrongPassword : WrongPassword with { Account = credentials.Account };
        }
        await _shared.Failures.DelayAsync(remote, cancellationToken);
        return WrongPassword;
    }

    private AccessActions RightsOf(Identity.Known? who, string repository)
    {
        if (_options is null) return AccessActions.All;
        var rights = AccessActions.None;
        foreach (var rule in _options.Rules)
        {
            if ((rule.Actions & ~rights) != 0 && Names(rule.Actors, who) && Covers(rule.Repositories, repository)) rights |= rule.Actions;
        }
        return rights;
    }

    /// <summary>
    /// Every caller has the rights of anonymous. An issuer can have many unknown actors, so only a rule that names the issuer applies to
    /// them.
    /// </summary>
    private bool Names(ImmutableArray<string> actors, Identity.Known? who)
    {
        foreach (var actor in actors)
        {
            if (actor == Caller.Anonymous || (who is not null && (IsActor(actor, who) || IsGroupOf(actor, who)))) return true;
        }
        return false;
    }

    private static bool IsActor(string actor, Identity.Known who) =>
        who.Issuer is null ? actor == who.Actor || actor == Caller.Everybody : actor.Contains(':') && Glob.IsMatch(actor, who.Actor);

    private bool IsGroupOf(string actor, Identity.Known who)
    {
        if (!actor.StartsWith('@')) return false;
        if (who.Groups.Contains(actor)) return true;
        if (!_options!.Groups.TryGetValue(actor[1..], out var members)) return false;
        foreach (var member in members)
        {
            if (IsActor(member, who)) return true;
        }
        return false;
    }

    private static bool Covers(ImmutableArray<string> patterns, string repository)
    {
        foreach (var pattern in patterns)
        {
            if (Glob.IsMatch(pattern, repository)) return true;
        }
        return false;
    }

    /// <summary>The text after an authentication scheme, ignoring its case (RFC 9110, 11.1); null for another scheme.</summary>
    private static string? After(string scheme, string authorization) =>
        authorization.StartsWith(scheme, StringComparison.OrdinalIgnoreCase) ? authorization[scheme.Length..].Trim() : null;

    /// <summary>State that survives a reload.</summary>
    private sealed record Shared(TimeProvider Clock, ILogger Logger, TokenSigner Tokens, Passwords Passwords, FailedLogins Failures);
}
