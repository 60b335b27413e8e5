using System.Collections.Concurrent;
using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Repositories;

/// <summary>Which repositories were last given a blob: where to look when a client asks for a mount and does not say from where.</summary>
internal sealed class RecentBlobs
{
    /// <summary>
    /// Blobs remembered, about 300 bytes each; a client that mounts has just pushed or seen the blob elsewhere. Beyond it all are
    /// forgotten.
    /// </summary>
    private const int MaxBlobs = 16_384;

    /// <summary>Repositories tried for one blob, so that a mount costs no more than a few look-ups.</summary>
    private const int MaxRepositories = 4;

    private readonly ConcurrentDictionary<Digest, ImmutableArray<RepositoryName>> _holders = new();

    public void Note(Digest blob, RepositoryName repository)
    {
        if (_holders.Count >= MaxBlobs) _holders.Clear();
        _holders.AddOrUpdate(blob, [repository], (_, known) => [.. known.Remove(repository).Insert(0, repository).Take(MaxRepositories)]);
    }

    public ImmutableArray<RepositoryName> HoldersOf(Digest blob) => _holders.TryGetValue(blob, out var names) ? names : [];
}
