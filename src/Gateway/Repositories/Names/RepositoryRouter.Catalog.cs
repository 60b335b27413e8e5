using BitFaster.Caching.Lru;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Lists an upstream's repositories in bytewise order, with a warning when the list may be incomplete.</summary>
internal delegate Task<(IReadOnlyList<RepositoryName> Names, string? Warning)> UpstreamNames(
    UpstreamOptions upstream, CancellationToken cancellationToken);

/// <summary>The catalog: the names of built-in and of fronted repositories.</summary>
internal sealed partial class RepositoryRouter
{
    // A page with one name may have to skip thousands.
    private const int NamesAtOnce = 100;

    private readonly ConcurrentLru<RepositoryName, (Basis Basis, DateTimeOffset Until)> _unlisted = new(CatalogLooks.MaxRemembered);

    /// <summary>
    /// Names after <paramref name="last"/> of repositories that this caller sees something in, at most <paramref name="count"/>, and
    /// warnings about upstreams whose lists are incomplete.
    /// </summary>
    /// <param name="callerOf">The caller, with its rights in each repository.</param>
    public async ValueTask<(Page<RepositoryName> Page, IReadOnlyList<string> Warnings)> CatalogAsync(
        Func<RepositoryName, Caller> callerOf, string? last, int count, CancellationToken cancellationToken)
    {
        // Each client sees its own repositories at a passthrough upstream, so such an upstream lists none to the gateway.
        UpstreamOptions[] fronted = upstreamNames is null
            ? []
            : [.. options.Upstreams.Values.Where(u => u.Auth != UpstreamAuth.Passthrough && options.FrontOf(u.Key) is not null)];
        var lists = await Task.WhenAll(fronted.Select(u => upstreamNames!(u, cancellationToken)));
        var looks = new CatalogLooks(_unlisted, CatalogLooks.MostOfPage);
        var (page, lookedUpTo) = await BuiltInAsync(callerOf, last, count, looks, cancellationToken);
        var names = new SortedSet<string>(page.Items.Select(n => n.Value), StringComparer.Ordinal);
        for (var i = 0; i < fronted.Length; i++)
        {
            // One name more than fits shows that another page follows.
            names.UnionWith(Reached(fronted[i], lists[i].Names, last)
                .Where(name => callerOf(name).MayPull).Take(count + 1).Select(n => n.Value));
            var (staged, stagedUpTo) = await StagedAsync(fronted[i], callerOf, last, looks, cancellationToken);
            names.UnionWith(staged.Select(n => n.Value));
            lookedUpTo = Earlier(lookedUpTo, stagedUpTo);
        }
        // After the point where evaluation stopped, built-in names may sort before names of upstreams: the next page starts there.
        if (lookedUpTo is not null) names.RemoveWhere(name => string.CompareOrdinal(name, lookedUpTo) > 0);
        var shown = names.Take(count).Select(n => RepositoryName.Parse(n)).ToList();
        var more = page.More || lookedUpTo is not null || names.Count > count;
        return (new(shown, more), [.. lists.Select(l => l.Warning).OfType<string>()]);
    }

    /// <summary>The canonical names of an upstream's repositories that can be reached.</summary>
    private IEnumerable<RepositoryName> Reached(UpstreamOptions upstream, IEnumerable<RepositoryName> names, string? last) => names
        .Select(name => _names.NameOf(new(upstream, name))).OfType<RepositoryName>()
        .Where(name => string.CompareOrdinal(name.Value, last) > 0)
        // Names below two prefixes are not in the upstream's order.
        .OrderBy(name => name.Value, StringComparer.Ordinal);

    /// <summary>
    /// Fronted repositories with staged content that the upstream does not have yet, and that the caller could pull here.
    /// </summary>
    private async ValueTask<(List<RepositoryName> Listed, string? LookedUpTo)> StagedAsync(
        UpstreamOptions upstream, Func<RepositoryName, Caller> callerOf, string? last, CatalogLooks looks,
        CancellationToken cancellationToken)
    {
        List<RepositoryName> listed = [];
        var paths = staged.Repositories;
        if (paths.Length == 0) return (listed, null);
        var folder = origins.FolderOf(upstream.Key, upstream.Urls);
        foreach (var path in paths.Where(p => p.StartsWith(folder + "/", StringComparison.Ordinal)))
        {
            var name = RepositoryName.Parse(path.AsSpan(folder.Length + 1));
            if (Reached(upstream, [name], last).FirstOrDefault() is not { Value: not null } canonical) continue;
            var (caller, here) = (callerOf(canonical), stored.Staged(folder, name));
            if (!caller.MayPull || !here.Manifests().Any()) continue;
            // The repository is made without its upstream, which must not be asked about each name.
            var isListed = await Over(canonical, here, takesPushes: true).IsListedAsync(caller, looks, cancellationToken);
            if (isListed is null) return (listed, canonical.Value);
            if (isListed == true) listed.Add(canonical);
        }
        return (listed, null);
    }

    private static string? Earlier(string? one, string? other) =>
        one is null || (other is not null && string.CompareOrdinal(other, one) < 0) ? other : one;

    /// <summary>The page, and the name at which evaluation stopped if that was before the page was full.</summary>
    private async ValueTask<(Page<RepositoryName> Page, string? LookedUpTo)> BuiltInAsync(
        Func<RepositoryName, Caller> callerOf, string? last, int count, CatalogLooks looks, CancellationToken cancellationToken)
    {
        await stored.ListAgainAsync(cancellationToken);
        var names = new List<RepositoryName>();
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var page = stored.PushedAfter(last, Math.Max(count, NamesAtOnce));
            foreach (var name in page.Items)
            {
                var (place, caller) = (new Place(null, name), callerOf(name));
                if (_names.NameOf(place) is null || !caller.MayPull) continue;
                // A repository is made only when something must be evaluated.
                var isListed = evaluations.Engine.AdmitsEverything
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
