using BitFaster.Caching.Lru;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>The names that an endpoint uses for repositories in its challenges, where they differ from the names in requests.</summary>
internal sealed class ScopeNames
{
    // Chosen: a few MiB at most. When it is full, the least recently used name is removed; learning it again costs one request.
    private const int Most = 4096;

    private readonly ConcurrentLru<(Uri Endpoint, RepositoryName Name), string> _names = new(Most);

    /// <summary>The endpoint's own name for the repository; null if it has none, or has not stated it yet.</summary>
    public string? Find(Uri endpoint, RepositoryName name) => _names.TryGet((endpoint, name), out var known) ? known : null;

    /// <summary>Records the endpoint's name for a repository; removes the entry if it is the name in requests.</summary>
    public void Note(Uri endpoint, RepositoryName name, string itsName)
    {
        if (itsName == name.Value) _names.TryRemove((endpoint, name));
        else _names.AddOrUpdate((endpoint, name), itsName);
    }
}
