using BitFaster.Caching.Lru;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>
/// The challenges of an endpoint for single repositories, where they differ from its other ones: by their token server, or by their name
/// for the repository.
/// </summary>
internal sealed class KnownChallenges
{
    // Chosen: a few MiB at most. When it is full, the least recently used one is removed; learning it again costs one request.
    private const int Most = 4096;

    private readonly ConcurrentLru<(Uri Endpoint, RepositoryName Name), (Challenge Challenge, string Repository)?> _known = new(Most);

    /// <summary>Whether anything is known about the endpoint's challenges for a repository itself.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="name">The repository.</param>
    /// <param name="known">The endpoint's challenge for it, and its name for it; null if only the endpoint can tell.</param>
    public bool TryFind(Uri endpoint, RepositoryName name, out (Challenge Challenge, string Repository)? known) =>
        _known.TryGet((endpoint, name), out known);

    /// <summary>Records the endpoint's challenge for a repository.</summary>
    public void Note(Uri endpoint, RepositoryName name, Challenge challenge, string repository) =>
        _known.AddOrUpdate((endpoint, name), (challenge, repository));

    /// <summary>Records that only the endpoint can tell its challenge for a repository.</summary>
    public void Doubt(Uri endpoint, RepositoryName name) => _known.AddOrUpdate((endpoint, name), null);

    /// <summary>Forgets the endpoint's challenge for a repository.</summary>
    public void Remove(Uri endpoint, RepositoryName name) => _known.TryRemove((endpoint, name));
}
