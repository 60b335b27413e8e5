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

    public Task<(int Status, string Page)> PageAsync(HttpContext context, Visitor visitor, string path) => path switch
    {
        "/policy" => PolicyAsync(context, visitor),
        "/policy/compare" => CompareAsync(visitor, null),
        "/configuration" => ConfigurationAsync(context, visitor),
        "/activity" => ActivityAsync(context, visitor),
        "/upkeep" => UpkeepAsync(visitor),
        "/replicas" => ReplicasAsync(visitor),
        "/trash" => TrashAsync(context, visitor),
        _ => OverviewAsync(context, visitor),
    };

    private async Task<(int, string)> OverviewAsync(HttpContext context, Visitor visitor)
    {
        var window = PageQueries.Text(context.Request.Query, "window");
        var page = await overview.ReadAsync(visitor.Viewer, window, context.RequestAborted);
        return (Status200OK, await html.RenderAsync<OverviewDetails>(
            (nameof(OverviewDetails.Visit), visitor.Visit), (nameof(OverviewDetails.Page), page)));
    }

    private async Task<(int, string)> PolicyAsync(HttpContext context, Visitor visitor)
    {
        var query = context.Request.Query;
        var page = await policy.ReadAsync(PageQueries.Text(query, "search"), PageQueries.Trial(query), context.RequestAborted);
        return (Status200OK, await html.RenderAsync<PolicyDetails>(
            (nameof(PolicyDetails.Visit), visitor.Visit), (nameof(PolicyDetails.Page), page)));
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

    private async Task<(int, string)> ConfigurationAsync(HttpContext context, Visitor visitor) =>
        (Status200OK, await html.RenderAsync<ConfigurationDetails>(
            (nameof(ConfigurationDetails.Visit), visitor.Visit),
            (nameof(ConfigurationDetails.Page), configuration.Read(PageQueries.Text(context.Request.Query, "search")))));

    private async Task<(int, string)> ActivityAsync(HttpContext context, Visitor visitor)
    {
        var query = context.Request.Query;
        var page = activity.Read(PageQueries.Text(query, "event"), PageQueries.Text(query, "actor"));
        return (Status200OK, await html.RenderAsync<ActivityDetails>(
            (nameof(ActivityDetails.Visit), visitor.Visit), (nameof(ActivityDetails.Page), page)));
    }

    private async Task<(int, string)> TrashAsync(HttpContext context, Visitor visitor)
    {
        var (search, last) = (PageQueries.Text(context.Request.Query, "search"), PageQueries.Text(context.Request.Query, "last"));
        return (Status200OK, await html.RenderAsync<TrashList>(
            (nameof(TrashList.Visit), visitor.Visit), (nameof(TrashList.Page), trash.Read(search, last)), (nameof(TrashList.Last), last)));
    }

    private async Task<(int, string)> UpkeepAsync(Visitor visitor) => (Status200OK, await html.RenderAsync<UpkeepDetails>(
        (nameof(UpkeepDetails.Visit), visitor.Visit), (nameof(UpkeepDetails.Page), upkeep.Read())));

    private async Task<(int, string)> ReplicasAsync(Visitor visitor) => (Status200OK, await html.RenderAsync<ReplicaDetails>(
        (nameof(ReplicaDetails.Visit), visitor.Visit), (nameof(ReplicaDetails.Page), replicas.Read())));
}
