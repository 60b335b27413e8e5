using BitFaster.Caching.Lru;
using Gateway.Oci;

namespace Gateway.Repositories;

/// <summary>
/// What one page of the catalog may cost, and what earlier pages found out: a caller may list repositories in which thousands of manifests
/// wait, and see none of them.
/// </summary>
/// <param name="unlisted">Repositories without anything to name; of all pages.</param>
/// <param name="most">Most manifests that are judged for the page.</param>
internal sealed class CatalogLooks(ConcurrentLru<RepositoryName, (Basis Basis, DateTimeOffset Until)> unlisted, int most)
{
    /// <summary>Most manifests for one page, as many as it may have names. Judging them takes 0.2 s (0.2 ms each, measured).</summary>
    public const int MostOfPage = 1000;

    /// <summary>Most repositories that are cached as "not listed", about 150 bytes each.</summary>
    public const int MaxRemembered = 100_000;

    private int _taken;

    /// <summary>Manifests that were judged for the page.</summary>
    public int Taken => _taken;

    /// <summary>Takes one look; false when there is none left.</summary>
    public bool TryTake()
    {
        if (_taken == most) return false;
        _taken++;
        return true;
    }

    public bool IsUnlisted(RepositoryName name, Basis basis, DateTimeOffset now) =>
        unlisted.TryGet(name, out var known) && known.Basis == basis && now < known.Until;

    public void NoteUnlisted(RepositoryName name, Basis basis, DateTimeOffset until)
    {
        unlisted.AddOrUpdate(name, (basis, until));
    }
}
