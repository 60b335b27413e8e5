using System.Collections.Concurrent;
using Gateway.Oci;
using Gateway.PullThrough;

namespace Gateway.Replicas;

/// <summary>The fetches of this replica that other replicas can follow, by digest.</summary>
internal sealed class SharedFetches(ReplicaServices services) : IFetchPeers
{
    private readonly ConcurrentDictionary<Digest, SharedFetch> _all = new();

    /// <summary>A fetch under way; null for none.</summary>
    public SharedFetch? Find(Digest digest) => _all.GetValueOrDefault(digest);

    /// <summary>All fetches under way.</summary>
    public IReadOnlyCollection<SharedFetch> All => [.. _all.Values];

    /// <summary>The number of fetches by what this replica does about them.</summary>
    public Dictionary<LeaseState, int> ByState => _all.Values.CountBy(each => each.State).ToDictionary();

    public IFetchTurn Begin(BlobFetch fetch)
    {
        var shared = new SharedFetch(fetch, services, over => _all.TryRemove(new(over.Digest, over)));
        _all[fetch.Digest] = shared;
        return shared;
    }
}
