using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>
/// Requests that an upstream answered 401 although the account that sent them is good: they are not sent again for a moment. The refusal
/// counts for the request alone (method, kind of path, repository, reference), not for the repository and not for the account.
/// </summary>
internal sealed class RefusedRequests(TimeProvider clock)
{
    // Chosen: a request that even fresh credentials do not open is not repeated by every client; short, so that a new grant is seen soon.
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(10);

    // Chosen: under 1 MiB for an upstream. Beyond that the least recently used one is forgotten, and costs one request again.
    private const int Most = 4096;

    private readonly RecentlyUsed<Key, DateTimeOffset> _until = new(Most);

    private readonly record struct Key(
        Uri Endpoint, string? CredentialId, HttpMethod Method, UpstreamNoun Noun, RepositoryName Name, string Reference);

    /// <param name="credentialId">Null for a request without credentials.</param>
    public void Add(Uri endpoint, string? credentialId, UpstreamRequest request) =>
        _until.Set(KeyOf(endpoint, credentialId, request), clock.GetUtcNow() + Lifetime);

    /// <summary>Whether this request was refused within <see cref="Lifetime"/>.</summary>
    public bool Contains(Uri endpoint, string? credentialId, UpstreamRequest request) =>
        _until.TryGet(KeyOf(endpoint, credentialId, request), out var until) && until > clock.GetUtcNow();

    private static Key KeyOf(Uri endpoint, string? credentialId, UpstreamRequest request) =>
        new(endpoint, credentialId, request.Method, request.Noun, request.Name, request.Reference);
}
