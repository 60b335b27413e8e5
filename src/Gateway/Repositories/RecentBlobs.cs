using System.Collections.Immutable;
using BitFaster.Caching.Lru;

namespace Gateway.Repositories;

/// <summary>The repositories that received a blob last: where to look when a client mounts a blob and does not say from where.</summary>
internal sealed class RecentBlobs
{
    /// <summary>
    /// Maximum number of cached blobs, about 350 bytes each. A client that mounts a blob has pushed or seen it elsewhere just before.
    /// </summary>
    private const int MaxBlobs = 16_384;

    /// <summary>Maximum number of repositories of one blob, so that a mount costs only a few lookups.</summary>
    private const int MaxRepositories = 4;

    private readonly ConcurrentLru<Digest, ImmutableArray<RepositoryName>> _holders = new(MaxBlobs);

    /// <summary>Notes that a repository has a blob now. When two requests note one blob at once, one of them may be lost.</summary>
    public void Note(Digest blob, RepositoryName repository)
    {
        var known = HoldersOf(blob);
        if (known is [var latest, ..] && latest == repository) return;
        _holders.AddOrUpdate(blob, [.. known.Remove(repository).Insert(0, repository).Take(MaxRepositories)]);
    }

    /// <summary>The repositories that received a blob, the latest first; none when that is not known.</summary>
    public ImmutableArray<RepositoryName> HoldersOf(Digest blob) => _holders.TryGet(blob, out var names) ? names : [];
}
