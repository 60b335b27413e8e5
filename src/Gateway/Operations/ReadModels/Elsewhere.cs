using System.Diagnostics;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>Looks whether other repositories have some blobs. It asks the disk and keeps nothing, so it costs time and no memory.</summary>
internal sealed class Elsewhere(StoredGates gates, KnownRepositories known, StoredRepositories stored)
{
    // Time for one look. Chosen: a person waits for it without a doubt, and it suffices for some 100,000 files.
    private static readonly TimeSpan Time = TimeSpan.FromMilliseconds(400);

    /// <summary>
    /// The blobs of a repository that others need too; the second value is false when not all repositories were looked at.
    /// </summary>
    /// <param name="name">The repository, which does not count.</param>
    public async ValueTask<(HashSet<Digest> Shared, bool IsComplete)> FindAsync(
        RepositoryName name, IReadOnlyCollection<Digest> blobs, CancellationToken cancellationToken)
    {
        var (begun, shared, open) = (Stopwatch.GetTimestamp(), new HashSet<Digest>(), new HashSet<Digest>(blobs));
        var (names, isComplete) = await known.AfterAsync(gates.Router, null);
        var isCached = gates.Router.Route(name).Source is not null;
        foreach (var each in names)
        {
            if (open.Count == 0) break;
            cancellationToken.ThrowIfCancellationRequested();
            // Pushed and cached content have files of their own.
            if (each.Name == name || each.Folder is not null != isCached) continue;
            if (Stopwatch.GetElapsedTime(begun) > Time) return (shared, false);
            var found = open.Where(digest => Has(each, digest)).ToArray();
            shared.UnionWith(found);
            open.ExceptWith(found);
        }
        return (shared, isComplete);
    }

    /// <summary>Whether a repository has a blob.</summary>
    public bool Has(KnownRepository each, Digest digest) => each.Folder is not { } folder
        ? stored.Pushed(each.Own).HasBlob(digest)
        : stored.Cached(folder, each.Own).HasBlob(digest) || stored.Staged(folder, each.Own).HasBlob(digest);
}
