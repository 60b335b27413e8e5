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
    // Time for finding the rows of a page whose names few viewers see. Chosen: a person waits for it without a doubt.
    private static readonly TimeSpan LookingTime = TimeSpan.FromMilliseconds(300);

    // Names that a page examines however long it takes, so that a busy machine makes progress too.
    private const int LeastExamined = 20;

    private readonly ConcurrentLru<RepositoryName, (Basis Basis, DateTimeOffset Until)> _unlisted = new(CatalogLooks.MaxRemembered);

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
        var (counting, look, examined) = (TimeSpan.Zero, new Look(viewer, question.Source, NewLooks()), 0);
        string? last = null;
        var rows = new List<RepositoryRow>();
        foreach (var each in names)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (examined++ >= LeastExamined && look.IsLate) return new(rows, last, MoreNotice(notice));
            var (found, isUnknown) = await RowAsync(look, each, cancellationToken);
            if (isUnknown && last is not null) return new(rows, last, MoreNotice(notice));
            last = each.Name.Value;
            if (found is not { } row) continue;
            if (rows.Count == question.Count) return new(rows, rows[^1].Name, notice);
            var begun = Stopwatch.GetTimestamp();
            rows.Add(row with { Summary = Summary(each, counting < CountingTime) });
            counting += Stopwatch.GetElapsedTime(begun);
        }
        return new(rows, null, notice);
    }

    private static string MoreNotice(string? notice) => notice ?? "Not all repositories were looked at; the next page looks further.";

    private CatalogLooks NewLooks() => new(_unlisted, CatalogLooks.MostOfPage);

    /// <summary>The work for one page: it ends after a time, and after a number of evaluations.</summary>
    private sealed record Look(Viewer Viewer, string? Source, CatalogLooks Looks)
    {
        private readonly long _begun = Stopwatch.GetTimestamp();

        public bool IsLate => Stopwatch.GetElapsedTime(_begun) > LookingTime;
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
            if (largest.Count > MostSummaries) largest.Dequeue();
        }
        var sorted = new Stack<(KnownRepository Name, RepositorySummary Summary)>(largest.Count);
        while (largest.TryDequeue(out var one, out _)) sorted.Push(one);
        var (rows, look, examined) = (new List<RepositoryRow>(), new Look(viewer, question.Source, NewLooks()), 0);
        // From the largest, until the page is full: those that the viewer does not see take no row.
        while (rows.Count < question.Count && sorted.TryPop(out var one))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var (row, isUnknown) = await RowAsync(look, one.Name, cancellationToken);
            if (row is not null) rows.Add(row with { Summary = one.Summary });
            if (isUnknown || (++examined >= LeastExamined && look.IsLate))
            {
                notice ??= "Not all repositories were looked at; reload the page for more.";
                break;
            }
        }
        return new(rows, null, uncounted == 0 ? notice : $"{uncounted} repositories are not counted yet; reload the page for more.");
    }

    /// <summary>
    /// The row of a repository; null when the viewer does not see it, or the question is about others. It is unknown when the page may
    /// evaluate no more.
    /// </summary>
    private async ValueTask<(RepositoryRow? Row, bool IsUnknown)> RowAsync(
        Look look, KnownRepository known, CancellationToken cancellationToken)
    {
        var (viewer, source) = (look.Viewer, look.Source);
        if (gates.Find(viewer, known.Name) is not var (routed, inspection) || routed.CanonicalName != known.Name) return default;
        // A route may give a stored name to an upstream, or the other way around.
        if (routed.Source is null != known.Folder is null) return default;
        var (upstream, kind) = (routed.Source?.Upstream, SourceOf(routed));
        if (source is not null && source != kind) return default;
        var caller = viewer.In(known.Name);
        var seesHidden = inspection.SeesHidden(caller);
        if (inspection.Policy is not null && !seesHidden)
        {
            var isListed = await routed.Repository!.IsListedAsync(caller, look.Looks, cancellationToken);
            if (isListed != true) return (null, isListed is null);
        }
        var row = new RepositoryRow(
            known.Name.Value, kind, upstream, null, seesHidden ? inspection.HeldPushes().Count : 0,
            [.. inspection.Policy?.Rules.Where(rule => rule.IsAbout(known.Name)).Select(static rule => rule.Id) ?? []]);
        return (row, false);
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
            all.Max(static s => s.Tags), all.Any(static s => s.HasMoreTags), Sizes.Sum(all.Select(static s => s.Bytes)),
            all.Any(static s => s.HasMoreContent), all.Max(static s => s.ChangedAt));
        _summaries.AddOrUpdate(key, (basis, summary));
        return summary;
    }
}
