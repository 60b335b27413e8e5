using System.Diagnostics;
using Gateway.Repositories;

namespace Gateway.Operations.ReadModels;

/// <summary>One level of the tree of repositories: upstreams and first parts of names at the top, namespaces below.</summary>
/// <param name="Under">The part of the names above this level; null at the top.</param>
/// <param name="Next">The value of <c>last</c> for the next page; null when this is the last one.</param>
/// <param name="Notice">Why parts may be missing; null when none are.</param>
public sealed record TreePage(string? Under, IReadOnlyList<TreeRow> Items, string? Next, string? Notice);

/// <summary>A part of names.</summary>
/// <param name="Path">The whole name up to this part.</param>
/// <param name="IsRepository">Whether there is a repository of this name.</param>
/// <param name="Below">Number of repositories below it; 1 where the viewer may see fewer than there are.</param>
/// <param name="HasMore">Whether there may be more below it than were counted.</param>
public sealed record TreeRow(string Path, bool IsRepository, int Below, bool HasMore);

/// <summary>Makes levels of the tree. It reads names only, and jumps over those below a part.</summary>
internal sealed class RepositoryTree(StoredGates gates, KnownRepositories known, RepositoryPages pages)
{
    // Parts of a page.
    private const int Rows = 200;

    // Names below a part that are counted.
    private const int MostCounted = 1000;

    private static readonly TimeSpan Time = TimeSpan.FromMilliseconds(300);

    // Behind every name that begins with the same part and a slash: no name contains it.
    private const char AfterAll = '\uffff';

    private readonly PagePlaces _places = new();

    /// <summary>The level below a part of names.</summary>
    /// <param name="under">See <see cref="TreePage"/>.</param>
    /// <param name="last">The place before the page; null for the first page.</param>
    public async ValueTask<TreePage> ReadAsync(Viewer viewer, string? under, string? last, CancellationToken cancellationToken)
    {
        var (begun, prefix, rows) = (Stopwatch.GetTimestamp(), under is null ? "" : under + "/", new Dictionary<string, TreeRow>());
        var (looks, notice) = (pages.NewLooks(), default(string));
        var place = _places.Read(last) ?? prefix;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var (names, isComplete) = await known.AfterAsync(gates.Router, place.Length == 0 ? null : place);
            notice ??= RepositoryPages.NoticeOf(isComplete);
            if (names.FirstOrDefault() is not { Name.Value: { } name } first || !name.StartsWith(prefix, StringComparison.Ordinal)) break;
            if (rows.Count >= Rows || Stopwatch.GetElapsedTime(begun) > Time)
                return Page(_places.Hide(place), notice ?? "There are more; the next page goes on.");
            var end = name.IndexOf('/', prefix.Length);
            var path = end < 0 ? name : name[..end];
            var row = rows.GetValueOrDefault(path) ?? new(path, false, 0, false);
            if (end < 0)
            {
                if (await pages.IsShownAsync(viewer, looks, first, cancellationToken)) rows[path] = row with { IsRepository = true };
                place = name;
                continue;
            }
            var (below, hasMore) = await CountAsync(viewer, looks, names, path + "/", cancellationToken);
            if (below > 0) rows[path] = row with { Below = below, HasMore = hasMore };
            place = path + "/" + AfterAll;
        }
        return Page(null, notice);

        TreePage Page(string? next, string? why) =>
            new(under, [.. rows.Values.OrderBy(static row => row.Path, StringComparer.Ordinal)], next, why);
    }

    // All of them for the operator; for anyone else whether one can be seen, because each may need an evaluation.
    private async ValueTask<(int Below, bool HasMore)> CountAsync(
        Viewer viewer, CatalogLooks looks, IEnumerable<KnownRepository> names, string prefix,
        CancellationToken cancellationToken)
    {
        var below = names.TakeWhile(each => each.Name.Value.StartsWith(prefix, StringComparison.Ordinal)).Take(MostCounted + 1);
        if (viewer.IsOperator && below.Count() is var all) return (Math.Min(all, MostCounted), all > MostCounted);
        foreach (var each in below)
        {
            if (await pages.IsShownAsync(viewer, looks, each, cancellationToken)) return (1, true);
        }
        return (0, false);
    }
}
