using System.Collections.Concurrent;
using Gateway.Oci;

namespace Gateway.Upstream;

/// <summary>How an endpoint names repositories in its challenges, where that is not the name that it is asked by.</summary>
internal sealed class ScopeNames
{
    // Chosen: some MiB at most. Beyond that all are forgotten, and each costs one request to be learned again.
    private const int Most = 4096;

    private readonly ConcurrentDictionary<(Uri Endpoint, RepositoryName Name), string> _names = new();

    /// <summary>Its own name for the repository; null where it has none, or has not said it yet.</summary>
    public string? Find(Uri endpoint, RepositoryName name) => _names.GetValueOrDefault((endpoint, name));

    public void Note(Uri endpoint, RepositoryName name, string itsName)
    {
        if (itsName == name.Value)
        {
            _names.TryRemove((endpoint, name), out _);
            return;
        }
        if (_names.Count >= Most) _names.Clear();
        _names[(endpoint, name)] = itsName;
    }
}
