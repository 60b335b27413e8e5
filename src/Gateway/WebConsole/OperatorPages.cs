using Gateway.Operations.ReadModels;
using Gateway.WebConsole.Pages;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.WebConsole;

/// <summary>The pages about the whole gateway, which only the operator sees.</summary>
internal sealed class OperatorPages(
    Html html, OverviewPages overview, PolicyPages policy, ActivityPages activity, UpkeepPages upkeep, TrashPages trash,
    ConfigurationPages configuration, PolicyCompare compare, ReplicaPages replicas)
{
    public static bool Has(string path) =>
        path is "/" or "/policy" or "/policy/compare" or "/activity" or "/upkeep" or "/trash" or "/configuration" or "/replicas";

    public async Task<(int Status, string Page)> PageAsync(HttpContext context, Visitor visitor, string path)
    {
        var (visit, query, stop) = (visitor.Visit, context.Request.Query, context.RequestAborted);
        var (search, last) = (PageQueries.Text(query, "search"), PageQueries.Text(query, "last"));
        return await (path switch
        {
            "/policy" => html.PageAsync<PolicyDetails>(visit, await policy.ReadAsync(search, PageQueries.Trial(query), stop)),
            "/policy/compare" => CompareAsync(visitor, null),
            "/configuration" => html.PageAsync<ConfigurationDetails>(visit, configuration.Read(search)),
            "/activity" => html.PageAsync<ActivityDetails>(
                visit, activity.Read(PageQueries.Text(query, "event"), PageQueries.Text(query, "actor"))),
            "/upkeep" => html.PageAsync<UpkeepDetails>(visit, upkeep.Read()),
            "/replicas" => html.PageAsync<ReplicaDetails>(visit, replicas.Read()),
            "/trash" => html.PageAsync<TrashList>(visit, trash.Read(search, last), (nameof(TrashList.Last), last)),
            _ => html.PageAsync<OverviewDetails>(
                visit, await overview.ReadAsync(visitor.Viewer, PageQueries.Text(query, "window"), stop)),
        });
    }

    /// <summary>The page that compares policies.</summary>
    /// <param name="edited">The edited policy; null before one was sent.</param>
    public async Task<(int Status, string Page)> CompareAsync(
        Visitor visitor, string? edited, CancellationToken cancellationToken = default)
    {
        var compared = edited is null ? null : await compare.RunAsync(edited, cancellationToken);
        return (Status200OK, await html.RenderAsync<PolicyCompareDetails>(
            (nameof(PolicyCompareDetails.Visit), visitor.Visit), (nameof(PolicyCompareDetails.Current), compare.Current),
            (nameof(PolicyCompareDetails.Compared), compared)));
    }
}
