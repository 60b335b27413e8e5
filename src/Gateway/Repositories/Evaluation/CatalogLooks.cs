using BitFaster.Caching.Lru;

namespace Gateway.Repositories;

/// <summary>
/// Bounds how many manifests are evaluated for one page of the catalog, and caches what earlier pages found out. Without it, a caller could
/// make the gateway evaluate thousands of held manifests that the caller never sees.
/// </summary>
/// <param name="unlisted">Repositories that are not listed; shared by all pages.</param>
/// <param name="most">Maximum number of manifests that are evaluated for the page.</param>
internal sealed class CatalogLooks(ConcurrentLru<RepositoryName, (Basis Basis, DateTimeOffset Until)> unlisted, int most)
{
    /// <summary>
    /// Maximum number of manifests for one page: as many as it may have names. Evaluating them takes 0.2 s (0.2 ms each, measured).
    /// </summary>
    public const int MostOfPage = 1000;

    /// <summary>Maximum number of repositories that are cached as "not listed", about 150 bytes each.</summary>
    public const int MaxRemembered = 100_000;

    private int _taken;

    /// <summary>Manifests that were evaluated for the page.</summary>
    public int Taken => _taken;

    /// <summary>Counts one evaluation; false when the page may have no more.</summary>
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
