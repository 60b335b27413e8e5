using System.Diagnostics;
using BitFaster.Caching.Lru;
using Gateway.Access;
using Gateway.Oci;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>A question for a page of repositories.</summary>
/// <param name="Search">A part of the name; null for all.</param>
/// <param name="Source"><c>stored</c>, <c>cached</c> or <c>fronted</c>; null for all.</param>
/// <param name="Sort"><c>name</c>, or <c>size</c> for the largest ones, which have one page.</param>
/// <param name="Last">The name before the page; null for the first page.</param>
/// <param name="Count">Rows, 1 to <see cref="RepositoryPages.MostRows"/>.</param>
public sealed record RepositoryQuestion(
    string? Search = null, string? Source = null, string Sort = "name", string? Last = null, int Count = RepositoryPages.Rows);

/// <summary>A page of repositories.</summary>
/// <param name="Next">The value of <c>last</c> for the next page; null when this is the last one.</param>
/// <param name="Notice">Why the page may be incomplete; null when it is complete.</param>
public sealed record RepositoryPage(IReadOnlyList<RepositoryRow> Items, string? Next, string? Notice);

/// <summary>A repository in a list.</summary>
/// <param name="Name">Its canonical name.</param>
/// <param name="Source"><c>stored</c>, <c>cached</c> or <c>fronted</c>.</param>
/// <param name="Upstream">Key of its upstream; null for built-in storage.</param>
/// <param name="Summary">Null when it was not counted within the time of the page.</param>
/// <param name="Held">Number of held pushes that the viewer sees.</param>
/// <param name="Rules">The rules of the policy that are about it.</param>
public sealed record RepositoryRow(
    string Name, string Source, string? Upstream, RepositorySummary? Summary, int Held, IReadOnlyList<string> Rules);

/// <summary>Makes pages of repositories.</summary>
internal sealed class RepositoryPages(StoredGates gates, KnownRepositories known, StoredRepositories stored)
{
    /// <summary>Rows of a page that names no number.</summary>
    public const int Rows = 50;

    /// <summary>Most rows of a page.</summary>
    public const int MostRows = 500;

    // A repository with more is shown as "1000+".
    private const int MostTags = 1000;
    private const int MostLinks = 2000;

    // Summaries in memory, about 200 bytes each.
    private const int MostSummaries = 50_000;

    // Time for counting: the first page must be ready within 50 ms. The list by size counts all repositories, so it gets more.
    private static readonly TimeSpan CountingTime = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan SortingTime = TimeSpan.FromSeconds(2);

    private readonly ConcurrentLru<string, (object Basis, RepositorySummary Summary)> _summaries = new(MostSummaries);
    private readonly CatalogLooks _looks = new(new(CatalogLooks.MaxRemembered), int.MaxValue);

    /// <summary>The page that answers a question.</summary>
    public async ValueTask<RepositoryPage> ReadAsync(Viewer viewer, RepositoryQuestion question, CancellationToken cancellationToken)
    {
        var (names, isComplete) = await known.AfterAsync(gates.Router, question.Sort == "size" ? null : question.Last);
        var wanted = question.Search is { Length: > 0 } search
            ? names.Where(each => each.Name.Value.Contains(search.ToLowerInvariant(), StringComparison.Ordinal))
            : names;
        var notice = isComplete ? null : "The names of cached repositories are being read; reload the page in a moment.";
        return question.Sort == "size"
            ? await BySizeAsync(viewer, question, wanted, notice, cancellationToken)
            : await ByNameAsync(viewer, question, wanted, notice, cancellationToken);
    }

    private async ValueTask<RepositoryPage> ByNameAsync(
        Viewer viewer, RepositoryQuestion question, IEnumerable<KnownRepository> names, string? notice, CancellationToken cancellationToken)
    {
        var counting = TimeSpan.Zero;
        var rows = new List<RepositoryRow>();
        foreach (var each in names)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (await RowAsync(viewer, each, question.Source, cancellationToken) is not { } row) continue;
            if (rows.Count == question.Count) return new(rows, rows[^1].Name, notice);
            var begun = Stopwatch.GetTimestamp();
            rows.Add(row with { Summary = Summary(each, counting < CountingTime) });
            counting += Stopwatch.GetElapsedTime(begun);
        }
        return new(rows, null, notice);
    }

    private async ValueTask<RepositoryPage> BySizeAsync(
        Viewer viewer, RepositoryQuestion question, IEnumerable<KnownRepository> names, string? notice, CancellationToken cancellationToken)
    {
        var begun = Stopwatch.GetTimestamp();
        var largest = new PriorityQueue<(KnownRepository Name, RepositorySummary Summary), long>();
        var uncounted = 0;
        foreach (var each in names)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!viewer.In(each.Name).MayPull) continue;
            if (Summary(each, Stopwatch.GetElapsedTime(begun) < SortingTime) is not { } summary)
            {
                uncounted++;
                continue;
            }
            largest.Enqueue((each, summary), summary.Bytes);
            if (largest.Count > question.Count) largest.Dequeue();
        }
        var rows = new List<RepositoryRow>();
        while (largest.TryDequeue(out var one, out _))
        {
            if (await RowAsync(viewer, one.Name, question.Source, cancellationToken) is { } row)
                rows.Add(row with { Summary = one.Summary });
        }
        rows.Reverse();
        return new(rows, null, uncounted == 0 ? notice : $"{uncounted} repositories are not counted yet; reload the page for more.");
    }

    /// <summary>The row of a repository; null when the viewer does not see it, or the question is about others.</summary>
    private async ValueTask<RepositoryRow?> RowAsync(
        Viewer viewer, KnownRepository known, string? source, CancellationToken cancellationToken)
    {
        if (gates.Find(viewer, known.Name) is not var (routed, inspection) || routed.CanonicalName != known.Name) return null;
        // A route may give a stored name to an upstream, or the other way around.
        if (routed.Source is null != known.Folder is null) return null;
        var (upstream, kind) = (routed.Source?.Upstream, SourceOf(routed));
        if (source is not null && source != kind) return null;
        var caller = viewer.In(known.Name);
        var seesHidden = inspection.SeesHidden(caller);
        if (inspection.Policy is not null && !seesHidden
            && await routed.Repository!.IsListedAsync(caller, _looks, cancellationToken) != true)
            return null;
        return new(
            known.Name.Value, kind, upstream, null, seesHidden ? inspection.HeldPushes().Count : 0,
            [.. inspection.Policy?.Rules.Where(rule => rule.IsAbout(known.Name)).Select(static rule => rule.Id) ?? []]);
    }

    /// <summary>How a repository's content came here: <c>stored</c>, <c>cached</c> or <c>fronted</c>.</summary>
    public string SourceOf(Routed routed) => routed.Source is not { } source ? "stored"
        : gates.Options.FrontOf(source.Upstream) is null ? "cached" : "fronted";

    private RepositorySummary? Summary(KnownRepository known, bool mayCount)
    {
        StoredRepository[] parts = known.Folder is not { } folder
            ? [stored.Pushed(known.Own)]
            : [stored.Cached(folder, known.Own), stored.Staged(folder, known.Own)];
        var basis = (parts[0].SummaryBasis(), parts.Length > 1 ? parts[1].SummaryBasis() : default);
        var key = parts[0].FullName + (known.Folder is null ? "" : " cached");
        var cached = _summaries.TryGet(key, out var last) ? last : default;
        if (cached.Basis is not null && cached.Basis.Equals(basis)) return cached.Summary;
        // An older summary is better than none.
        if (!mayCount) return cached.Summary;
        var all = parts.Select(static part => part.Summarize(MostTags, MostLinks)).ToArray();
        var summary = new RepositorySummary(
            all.Max(static s => s.Tags), all.Any(static s => s.HasMoreTags), all.Sum(static s => s.Bytes),
            all.Any(static s => s.HasMoreContent), all.Max(static s => s.ChangedAt));
        _summaries.AddOrUpdate(key, (basis, summary));
        return summary;
    }
}
