using BitFaster.Caching.Lru;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>
/// One account of the gateway at an upstream: its credentials, its rate budget, and the requests that it must not send now.
/// </summary>
/// <param name="name">The account's name in metrics and logs.</param>
internal sealed class Account(string name, CredentialSource credentials, TimeProvider clock)
{
    // Chosen: as long as for a refused password. After that the gateway notices a right that was granted at the upstream.
    private static readonly TimeSpan RefusalLifetime = TimeSpan.FromMinutes(15);

    // Chosen: about 100 KiB. When it is full, the least recently used entry is removed; the upstream then refuses one more request.
    private const int MostRefusals = 1000;

    private readonly Lock _lock = new();
    private readonly Dictionary<(Uri Endpoint, UpstreamNoun Noun, HttpMethod Method), DateTimeOffset> _limited = [];
    private readonly ConcurrentLru<(RepositoryName Name, UpstreamNoun Noun, HttpMethod Method), DateTimeOffset> _refused =
        new(MostRefusals);

    /// <summary>The name in metrics and logs.</summary>
    public string Name { get; } = name;

    public CredentialSource Credentials { get; } = credentials;

    /// <summary>What remains of the account's rate limit.</summary>
    public RateBudget Budget { get; } = new(clock);

    /// <summary>
    /// Whether the endpoint answered 429 to this kind of request and the pause is not over. Kinds are separate because Docker Hub's limit
    /// counts GETs of manifests, but not HEADs and not blobs.
    /// </summary>
    /// <param name="request">The request; its noun and method are its kind.</param>
    /// <param name="wait">The time until the account may send this kind of request again; zero or negative if it may send it now.</param>
    public bool IsPaused(Uri endpoint, UpstreamRequest request, out TimeSpan wait)
    {
        lock (_lock)
        {
            var until = _limited.GetValueOrDefault(KindOf(endpoint, request));
            wait = until - clock.GetUtcNow();
            return wait > TimeSpan.Zero;
        }
    }

    /// <summary>
    /// Records that the endpoint answered 429: the account does not send this kind of request for <paramref name="pause"/>.
    /// </summary>
    public void Limited(Uri endpoint, UpstreamRequest request, TimeSpan pause)
    {
        lock (_lock) _limited[KindOf(endpoint, request)] = clock.GetUtcNow() + pause;
        if (request is { Noun: UpstreamNoun.Manifest, IsWrite: false }) Budget.Exhausted(pause);
    }

    /// <summary>
    /// Whether the upstream recently refused a request of this kind in this repository. The gateway then tries other accounts first.
    /// </summary>
    public bool IsRefused(UpstreamRequest request) =>
        _refused.TryGet((request.Name, request.Noun, request.Method), out var until) && until > clock.GetUtcNow();

    /// <summary>
    /// Records that the upstream answered 401 or 403 to a request of this kind in this repository. Kinds are separate because an account
    /// without permission to push or list may have permission to pull.
    /// </summary>
    public void Refused(UpstreamRequest request) =>
        _refused.AddOrUpdate((request.Name, request.Noun, request.Method), clock.GetUtcNow() + RefusalLifetime);

    private static (Uri Endpoint, UpstreamNoun Noun, HttpMethod Method) KindOf(Uri endpoint, UpstreamRequest request) =>
        (endpoint, request.Noun, request.Method);
}
