using System.Diagnostics;
using BitFaster.Caching.Lru;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations.ReadModels;

/// <summary>A question for a page of repositories.</summary>
/// <param name="Search">A part of the name; null for all.</param>
/// <param name="Source"><c>stored</c>, <c>cached</c> or <c>fronted</c>; null for all.</param>
/// <param name="Sort">
/// <c>name</c>; <c>size</c> for the largest ones, or <c>own</c> for those that free most when they are deleted, which have one page.
/// </param>
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
    string Name, string Source, string? Upstream, RepositorySummary? Summary, int Held, IReadOnlyList<string> Rules)
{
    /// <summary>Bytes that no other repository has; null when they are not counted.</summary>
    public long? OwnBytes { get; init; }

    /// <summary>When a client last got a manifest of it; null when none did, or it is not known any more.</summary>
    public DateTimeOffset? LastPull { get; init; }

    /// <summary>Bytes that other repositories have too; null when they are not counted.</summary>
    public long? SharedBytes { get; init; }
}

/// <summary>Makes pages of repositories.</summary>
internal sealed class RepositoryPages(StoredGates gates, KnownRepositories known, RepositorySizes sizes, OwnSizes own, PullCounts pulls)
{
    /// <summary>Rows of a page that names no number.</summary>
    public const int Rows = 50;

    /// <summary>Most rows of a page.</summary>
    public const int MostRows = 500;

    // Time for counting: the first page must be ready within 50 ms.
    private static readonly TimeSpan CountingTime = TimeSpan.FromMilliseconds(20);

    // Time for finding the rows of a page whose names few viewers see. Chosen: a person waits for it without a doubt.
    private static readonly TimeSpan LookingTime = TimeSpan.FromMilliseconds(300);

    // Names that a page examines however long it takes, so that a busy machine makes progress too.
    private const int LeastExamined = 20;

    private readonly PagePlaces _places = new();
    private readonly ConcurrentLru<RepositoryName, (Basis Basis, DateTimeOffset Until)> _unlisted = new(CatalogLooks.MaxRemembered);

    /// <summary>The page that answers a question.</summary>
    public async ValueTask<RepositoryPage> ReadAsync(Viewer viewer, RepositoryQuestion question, CancellationToken cancellationToken)
    {
        var page = await OfAsync(viewer, question, cancellationToken);
        var last = pulls.LastByRepository();
        return page with
        {
            Items = [.. page.Items.Select(row => last.TryGetValue(row.Name, out var at) ? row with { LastPull = at } : row)],
        };
    }

    private async ValueTask<RepositoryPage> OfAsync(Viewer viewer, RepositoryQuestion question, CancellationToken cancellationToken)
    {
        // What others share is a matter of the operator: it tells whether some other repository has given content.
        if (question.Sort == "own" && viewer.IsOperator) return await ByOwnAsync(viewer, question, cancellationToken);
        if (question.Sort != "name") return WithOwn(viewer, await BySizeAsync(viewer, question, cancellationToken));
        var (names, isComplete) = await known.AfterAsync(gates.Router, _places.Read(question.Last));
        names = names.Where(each => Matches(each, question));
        var page = await ByNameAsync(viewer, question, names, NoticeOf(isComplete), cancellationToken);
        // A store that fits on a page is counted at once; a large one when a page is ordered by it.
        if (viewer.IsOperator && page is { Next: null, Items.Count: > 0 } && question is { Search: null, Source: null, Last: null })
            await own.ReadAsync(gates.Router, cancellationToken);
        return WithOwn(viewer, page);
    }

    private RepositoryPage WithOwn(Viewer viewer, RepositoryPage page) =>
        !viewer.IsOperator || own.Last(gates.Router) is not { } order ? page : page with
    {
        Items =
        [
            .. page.Items.Select(row => order.ByName.TryGetValue(RepositoryName.Parse(row.Name), out var size)
                ? row with { OwnBytes = size.Own, SharedBytes = size.Shared } : row),
        ],
    };

    private async ValueTask<RepositoryPage> ByOwnAsync(
        Viewer viewer, RepositoryQuestion question, CancellationToken cancellationToken)
    {
        if (await own.ReadAsync(gates.Router, cancellationToken) is not { } order)
            return new([], null, "What each repository has for itself is being counted; reload the page in a moment.");
        var sized = order.Sorted.Select(each => new SizedRepository(each.Known, sizes.Of(each.Known, mayCount: true)));
        var (rows, notice) = await FirstAsync(viewer, question, sized, cancellationToken);
        return WithOwn(viewer, new(rows, null, notice ?? $"Counted at {order.At.UtcDateTime:HH:mm:ss} UTC."));
    }

    /// <summary>Why a page of repositories is incomplete while the names of upstreams are read for the first time.</summary>
    public static string? NoticeOf(bool isComplete) =>
        isComplete ? null : "The names of cached repositories are being read; reload the page in a moment.";

    private static bool Matches(KnownRepository known, RepositoryQuestion question) =>
        question.Search is not { } search || known.Name.Value.Contains(search.ToLowerInvariant(), StringComparison.Ordinal);

    private async ValueTask<RepositoryPage> ByNameAsync(
        Viewer viewer, RepositoryQuestion question, IEnumerable<KnownRepository> names, string? notice, CancellationToken cancellationToken)
    {
        var (counting, look, examined) = (TimeSpan.Zero, new Look(viewer, question.Source, NewLooks()), 0);
        string? last = null;
        var rows = new List<RepositoryRow>();
        foreach (var each in names)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (examined++ >= LeastExamined && look.IsLate) return new(rows, Place(), MoreNotice(notice));
            var (found, isUnknown) = await RowAsync(look, each, cancellationToken);
            if (isUnknown && last is not null) return new(rows, Place(), MoreNotice(notice));
            last = each.Name.Value;
            if (found is not { } row) continue;
            if (rows.Count == question.Count) return new(rows, rows[^1].Name, notice);
            var begun = Stopwatch.GetTimestamp();
            rows.Add(row with { Summary = sizes.Of(each, counting < CountingTime) });
            counting += Stopwatch.GetElapsedTime(begun);
        }
        return new(rows, null, notice);

        string Place() => rows.Count > 0 && rows[^1].Name == last ? last : _places.Hide(last!);
    }

    private static string MoreNotice(string? notice) => notice ?? "Not all repositories were looked at; the next page looks further.";

    /// <summary>The evaluations that one page may make to find out what the viewer sees.</summary>
    public CatalogLooks NewLooks() => new(_unlisted, CatalogLooks.MostOfPage);

    /// <summary>The work for one page: it ends after a time, and after a number of evaluations.</summary>
    private sealed record Look(Viewer Viewer, string? Source, CatalogLooks Looks)
    {
        private readonly long _begun = Stopwatch.GetTimestamp();

        public bool IsLate => Stopwatch.GetElapsedTime(_begun) > LookingTime;
    }

    private async ValueTask<RepositoryPage> BySizeAsync(
        Viewer viewer, RepositoryQuestion question, CancellationToken cancellationToken)
    {
        var order = await sizes.OrderAsync(gates.Router, cancellationToken);
        var (rows, late) = await FirstAsync(viewer, question, order.Sorted, cancellationToken);
        var uncounted = order.Uncounted.Count(known => IsAsked(viewer, question, known));
        return new(
            rows, null, uncounted == 0
                ? NoticeOf(order.IsComplete) ?? late
                : $"{uncounted} repositories are not counted yet; reload the page for more.");
    }

    private static bool IsAsked(Viewer viewer, RepositoryQuestion question, KnownRepository known) =>
        Matches(known, question) && viewer.In(known.Name).MayPull;

    // In their order, until the page is full: those that the viewer does not see take no row.
    private async ValueTask<(List<RepositoryRow> Rows, string? Notice)> FirstAsync(
        Viewer viewer, RepositoryQuestion question, IEnumerable<SizedRepository> sorted, CancellationToken cancellationToken)
    {
        var (rows, look, examined) = (new List<RepositoryRow>(), new Look(viewer, question.Source, NewLooks()), 0);
        foreach (var each in sorted.Where(each => IsAsked(viewer, question, each.Known)).TakeWhile(_ => rows.Count < question.Count))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var (row, isUnknown) = await RowAsync(look, each.Known, cancellationToken);
            if (row is not null) rows.Add(row with { Summary = each.Summary });
            if (isUnknown || (++examined >= LeastExamined && look.IsLate))
                return (rows, "Not all repositories were looked at; reload the page for more.");
        }
        return (rows, null);
    }

    /// <summary>Whether the viewer sees a repository in lists; false too when the page may evaluate no more.</summary>
    public async ValueTask<bool> IsShownAsync(
        Viewer viewer, CatalogLooks looks, KnownRepository known, CancellationToken cancellationToken) =>
        (await RowAsync(new(viewer, null, looks), known, cancellationToken)).Row is not null;

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
}
