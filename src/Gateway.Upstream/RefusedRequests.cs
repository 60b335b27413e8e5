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

    // Chosen: under 1 MiB for an upstream. Beyond that all are forgotten, and cost one request each again.
    private const int Most = 4096;

    private readonly Lock _lock = new();
    private readonly Dictionary<Key, DateTimeOffset> _until = [];

    private readonly record struct Key(
        Uri Endpoint, string? CredentialId, HttpMethod Method, UpstreamNoun Noun, RepositoryName Name, string Reference);

    /// <param name="credentialId">Null for a request without credentials.</param>
    public void Add(Uri endpoint, string? credentialId, UpstreamRequest request)
    {
        lock (_lock)
        {
            if (_until.Count >= Most) _until.Clear();
            _until[KeyOf(endpoint, credentialId, request)] = clock.GetUtcNow() + Lifetime;
        }
    }

    /// <summary>Whether this request was refused within <see cref="Lifetime"/>.</summary>
    public bool Contains(Uri endpoint, string? credentialId, UpstreamRequest request)
    {
        lock (_lock)
        {
            var key = KeyOf(endpoint, credentialId, request);
            if (!_until.TryGetValue(key, out var until)) return false;
            if (until > clock.GetUtcNow()) return true;
            _until.Remove(key);
            return false;
        }
    }

    private static Key KeyOf(Uri endpoint, string? credentialId, UpstreamRequest request) =>
        new(endpoint, credentialId, request.Method, request.Noun, request.Name, request.Reference);
}
