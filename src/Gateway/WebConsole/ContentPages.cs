using Gateway.Operations.ReadModels;
using Gateway.WebConsole.Pages;

namespace Gateway.WebConsole;

/// <summary>Pages about content that everyone sees as far as their rights go: the tree, the users of layers, a rollback.</summary>
internal sealed class ContentPages(Html html, RepositoryTree tree, LayerUses uses, Rollbacks rollbacks)
{
    public static bool Has(string path) => path is "/tree" or "/layers" or "/rollback";

    /// <summary>The page of a path; null when the viewer sees no such content.</summary>
    public Task<string?> PageAsync(HttpContext context, Visitor visitor, string path) => path switch
    {
        "/tree" => TreeAsync(context, visitor),
        "/layers" => LayersAsync(context, visitor),
        _ => RollbackAsync(context, visitor),
    };

    private async Task<string?> TreeAsync(HttpContext context, Visitor visitor)
    {
        var last = Query(context, "last");
        var page = await tree.ReadAsync(visitor.Viewer, PageQueries.Under(context.Request.Query), last, context.RequestAborted);
        return await html.RenderAsync<TreeList>(
            (nameof(TreeList.Visit), visitor.Visit), (nameof(TreeList.Page), page), (nameof(TreeList.Last), last));
    }

    private async Task<string?> LayersAsync(HttpContext context, Visitor visitor)
    {
        var (repository, reference, last) = (Query(context, "repository") ?? "", Query(context, "reference") ?? "", Query(context, "last"));
        return await uses.ReadAsync(visitor.Viewer, repository, reference, last, context.RequestAborted) is not { } page ? null
            : await html.RenderAsync<LayerUseList>(
                (nameof(LayerUseList.Visit), visitor.Visit), (nameof(LayerUseList.Page), page), (nameof(LayerUseList.Last), last));
    }

    private async Task<string?> RollbackAsync(HttpContext context, Visitor visitor)
    {
        var (repository, tag, digest) = (Query(context, "repository") ?? "", Query(context, "tag") ?? "", Query(context, "digest") ?? "");
        return await rollbacks.PlanAsync(visitor.Viewer, repository, tag, digest, context.RequestAborted) is not { } plan ? null
            : await html.RenderAsync<RollbackDetails>(
                (nameof(RollbackDetails.Visit), visitor.Visit), (nameof(RollbackDetails.Plan), plan));
    }

    private static string? Query(HttpContext context, string name) => PageQueries.Text(context.Request.Query, name);
}
