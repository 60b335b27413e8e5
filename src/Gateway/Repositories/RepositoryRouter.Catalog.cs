using BitFaster.Caching.Lru;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>What an upstream lists of its repositories, in bytewise order, and why that may not be all.</summary>
internal delegate Task<(IReadOnlyList<RepositoryName> Names, string? Warning)> UpstreamNames(
    UpstreamOptions upstream, CancellationToken cancellationToken);

/// <summary>The catalog: the names of built-in repositories and of those of registries that take pushes.</summary>
internal sealed partial class RepositoryRouter
{
    // A page of one name may pass over thousands.
    private const int NamesAtOnce = 100;

    private readonly ConcurrentLru<RepositoryName, (Basis Basis, DateTimeOffset Until)> _unlisted = new(CatalogLooks.MaxRemembered);

    /// <summary>
    /// Names after <paramref name="last"/> of repositories with something in them for this caller, at most <paramref name="count"/>, and
    /// what is to be said about registries whose names are not all there.
    /// </summary>
    /// <param name="callerOf">Who asks, as each repository sees him.</param>
    public async ValueTask<(Page<RepositoryName> Page, IReadOnlyList<string> Warnings)> CatalogAsync(
        Func<RepositoryName, Caller> callerOf, string? last, int count, CancellationToken cancellationToken)
    {
        // What a passthrough upstream has is each client's own: it lists nothing to the gateway.
        UpstreamOptions[] fronted = upstreamNames is null
            ? []
            : [.. options.Upstreams.Values.Where(u => u.Auth != UpstreamAuth.Passthrough && options.FrontOf(u.Key) is not null)];
        var lists = await Task.WhenAll(fronted.Select(u => upstreamNames!(u, cancellationToken)));
        var looks = new CatalogLooks(_unlisted, CatalogLooks.MostOfPage);
        var (page, lookedUpTo) = await BuiltInAsync(callerOf, last, count, looks, cancellationToken);
        var names = new SortedSet<string>(page.Items.Select(n => n.Value), StringComparer.Ordinal);
        for (var i = 0; i < fronted.Length; i++)
        {
            // One more than fits says that there are more.
            names.UnionWith(Reached(fronted[i], lists[i].Names, last)
                .Where(name => callerOf(name).MayPull).Take(count + 1).Select(n => n.Value));
            var (staged, stagedUpTo) = await StagedAsync(fronted[i], callerOf, last, looks, cancellationToken);
            names.UnionWith(staged.Select(n => n.Value));
            lookedUpTo = Earlier(lookedUpTo, stagedUpTo);
        }
        // Behind where the looking ended there may be built-in ones before those of upstreams: the next page begins there.
        if (lookedUpTo is not null) names.RemoveWhere(name => string.CompareOrdinal(name, lookedUpTo) > 0);
        var shown = names.Take(count).Select(n => RepositoryName.Parse(n)).ToList();
        var more = page.More || lookedUpTo is not null || names.Count > count;
        return (new(shown, more), [.. lists.Select(l => l.Warning).OfType<string>()]);
    }

    /// <summary>The names here of an upstream's repositories, of those that can be reached.</summary>
    private IEnumerable<RepositoryName> Reached(UpstreamOptions upstream, IEnumerable<RepositoryName> names, string? last) => names
        .Select(name => _names.NameOf(new(upstream, name))).OfType<RepositoryName>()
        .Where(name => string.CompareOrdinal(name.Value, last) > 0)
        // Names under two prefixes come in the order of the upstream's own.
        .OrderBy(name => name.Value, StringComparer.Ordinal);

    /// <summary>Those with something in them that the upstream has not got yet, for an caller who could get it here.</summary>
    private async ValueTask<(List<RepositoryName> Listed, string? LookedUpTo)> StagedAsync(
        UpstreamOptions upstream, Func<RepositoryName, Caller> callerOf, string? last, CatalogLooks looks,
        CancellationToken cancellationToken)
    {
        List<RepositoryName> listed = [];
        var paths = volume.StagedContent.Repositories;
        if (paths.Length == 0) return (listed, null);
        var folder = volume.Origins.FolderOf(upstream.Key, upstream.Urls);
        foreach (var path in paths.Where(p => p.StartsWith(folder + "/", StringComparison.Ordinal)))
        {
            var name = RepositoryName.Parse(path.AsSpan(folder.Length + 1));
            if (Reached(upstream, [name], last).FirstOrDefault() is not { Value: not null } canonical) continue;
            var (caller, staged) = (callerOf(canonical), volume.Staged(folder, name));
            if (!caller.MayPull || !staged.Manifests().Any()) continue;
            // Without its upstream, which is not asked about each name.
            var repository = new Repository(canonical, staged, judge, volume, _recent, takesPushes: true, clock);
            var isListed = await repository.IsListedAsync(caller, looks, cancellationToken);
            if (isListed is null) return (listed, canonical.Value);
            if (isListed == true) listed.Add(canonical);
        }
        return (listed, null);
    }

    private static string? Earlier(string? one, string? other) =>
        one is null || (other is not null && string.CompareOrdinal(other, one) < 0) ? other : one;

    /// <summary>The page, and the name that the looking ended at, where that was before the page was full.</summary>
    private async ValueTask<(Page<RepositoryName> Page, string? LookedUpTo)> BuiltInAsync(
        Func<RepositoryName, Caller> callerOf, string? last, int count, CatalogLooks looks, CancellationToken cancellationToken)
    {
        var names = new List<RepositoryName>();
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var page = volume.PushedAfter(last, Math.Max(count, NamesAtOnce));
            foreach (var name in page.Items)
            {
                var (place, caller) = (new Place(null, name), callerOf(name));
                if (_names.NameOf(place) is null || !caller.MayPull) continue;
                // None is made ready where there is nothing to ask of it.
                var isListed = judge.Engine.AdmitsEverything
                    ? true
                    : Ready(place, null) is { } routed
                        ? await routed.Repository!.IsListedAsync(caller, looks, cancellationToken)
                        : false;
                if (isListed is null) return (new(names, true), name.Value);
                if (isListed == false) continue;
                if (names.Count == count) return (new(names, true), null);
                names.Add(name);
            }
            if (!page.More) return (new(names, false), null);
            last = page.Items[^1].Value;
        }
    }
}
