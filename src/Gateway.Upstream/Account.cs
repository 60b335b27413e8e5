using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>One of those that an upstream knows us by: its credentials, what is left of its rate limit, and when it rests.</summary>
/// <param name="name">For metrics and logs.</param>
internal sealed class Account(string name, CredentialSource credentials, TimeProvider clock)
{
    // Chosen: as long as a refused password; a right that was given at the upstream is seen then.
    private static readonly TimeSpan RefusalLifetime = TimeSpan.FromMinutes(15);

    // Chosen: some 100 KiB; beyond, the least recently used one is forgotten and found out again by one refusal.
    private const int MostRefusals = 1000;

    private readonly Lock _lock = new();
    private readonly Dictionary<(Uri Endpoint, UpstreamNoun Noun, HttpMethod Method), DateTimeOffset> _limited = [];
    private readonly RecentlyUsed<(RepositoryName Name, UpstreamNoun Noun, HttpMethod Method), DateTimeOffset> _refused = new(MostRefusals);

    public string Name { get; } = name;

    public CredentialSource Credentials { get; } = credentials;

    public RateBudget Budget { get; } = new(clock);

    /// <summary>Whether this kind of request was answered 429: Docker Hub's limit counts manifest GETs, not HEADs, not blobs.</summary>
    /// <param name="wait">For how long it is not to be sent again.</param>
    public bool Rests(Uri endpoint, UpstreamRequest request, out TimeSpan wait)
    {
        lock (_lock)
        {
            var until = _limited.GetValueOrDefault(KindOf(endpoint, request));
            wait = until - clock.GetUtcNow();
            return wait > TimeSpan.Zero;
        }
    }

    /// <summary>It was answered 429.</summary>
    public void Limited(Uri endpoint, UpstreamRequest request, TimeSpan pause)
    {
        lock (_lock) _limited[KindOf(endpoint, request)] = clock.GetUtcNow() + pause;
        if (request is { Noun: UpstreamNoun.Manifest, IsWrite: false }) Budget.Exhausted(pause);
    }

    /// <summary>Whether a request of this kind was refused lately in this repository: then another account is better asked first.</summary>
    public bool IsRefused(UpstreamRequest request) =>
        _refused.TryGet((request.Name, request.Noun, request.Method), out var until) && until > clock.GetUtcNow();

    /// <summary>
    /// A request of this kind was answered 401 or 403 in this repository: an account that may not push, or not list, may well pull.
    /// </summary>
    public void Refused(UpstreamRequest request) =>
        _refused.Set((request.Name, request.Noun, request.Method), clock.GetUtcNow() + RefusalLifetime);

    private static (Uri Endpoint, UpstreamNoun Noun, HttpMethod Method) KindOf(Uri endpoint, UpstreamRequest request) =>
        (endpoint, request.Noun, request.Method);
}
