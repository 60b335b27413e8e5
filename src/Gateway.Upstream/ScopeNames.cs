using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>How an endpoint names repositories in its challenges, where that is not the name that it is asked by.</summary>
internal sealed class ScopeNames
{
    // Chosen: some MiB at most. Beyond that the least recently used name is forgotten, and costs one request to be learned again.
    private const int Most = 4096;

    private readonly RecentlyUsed<(Uri Endpoint, RepositoryName Name), string> _names = new(Most);

    /// <summary>Its own name for the repository; null where it has none, or has not said it yet.</summary>
    public string? Find(Uri endpoint, RepositoryName name) => _names.TryGet((endpoint, name), out var known) ? known : null;

    public void Note(Uri endpoint, RepositoryName name, string itsName)
    {
        if (itsName == name.Value) _names.Remove((endpoint, name));
        else _names.Set((endpoint, name), itsName);
    }
}
