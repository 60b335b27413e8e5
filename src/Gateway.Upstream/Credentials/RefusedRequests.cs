using BitFaster.Caching.Lru;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>
/// Requests that an upstream answered 401 although the account's credentials are valid. The gateway does not send them again for 10 s. A
/// refusal applies to the request only (method, kind of path, repository, reference), not to the repository or the account.
/// </summary>
internal sealed class RefusedRequests(TimeProvider clock)
{
    /// <summary>
    /// How long a refused request is not sent again. Chosen: long enough to stop repetition by many clients, short enough that a new right
    /// soon takes effect.
    /// </summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(10);

    // Chosen: under 1 MiB per upstream. When it is full, the least recently used entry is removed, which costs one request.
    private const int Most = 4096;

    private readonly ConcurrentLru<Key, DateTimeOffset> _until = new(Most);

    private readonly record struct Key(
        Uri Endpoint, string? CredentialId, HttpMethod Method, UpstreamNoun Noun, RepositoryName Name, string Reference);

    /// <summary>Records that the endpoint refused this request.</summary>
    /// <param name="endpoint">The endpoint that answered 401.</param>
    /// <param name="credentialId">The <see cref="Credential.Id"/>; null for a request without credentials.</param>
    public void Add(Uri endpoint, string? credentialId, UpstreamRequest request) =>
        _until.AddOrUpdate(KeyOf(endpoint, credentialId, request), clock.GetUtcNow() + Lifetime);

    /// <summary>Whether the endpoint refused this request within <see cref="Lifetime"/>.</summary>
    public bool Contains(Uri endpoint, string? credentialId, UpstreamRequest request) =>
        _until.TryGet(KeyOf(endpoint, credentialId, request), out var until) && until > clock.GetUtcNow();

    private static Key KeyOf(Uri endpoint, string? credentialId, UpstreamRequest request) =>
        new(endpoint, credentialId, request.Method, request.Noun, request.Name, request.Reference);
}
