using Gateway.Operations.ReadModels;
using Gateway.WebConsole.Pages;

namespace Gateway.WebConsole;

/// <summary>Pages about content that everyone sees as far as their rights go: the tree, the users of layers, a rollback.</summary>
internal sealed class ContentPages(Html html, RepositoryTree tree, LayerUses uses, Rollbacks rollbacks)
{
    public static bool Has(string path) => path is "/tree" or "/layers" or "/rollback";

    /// <summary>The page of a path; null when the viewer sees no such content.</summary>
    public async Task<(int Status, string Page)?> PageAsync(HttpContext context, Visitor visitor, string path)
    {
        var (viewer, visit, query, stop) = (visitor.Viewer, visitor.Visit, context.Request.Query, context.RequestAborted);
        var (repository, last) = (PageQueries.Named(query, "repository"), PageQueries.Text(query, "last"));
        if (path == "/tree")
        {
            var level = await tree.ReadAsync(viewer, PageQueries.Under(query), last, stop);
            return await html.PageAsync<TreeList>(visit, level, (nameof(TreeList.Last), last));
        }
        if (path == "/layers")
            return await uses.ReadAsync(viewer, repository, PageQueries.Named(query, "reference"), last, stop) is not { } page ? null
                : await html.PageAsync<LayerUseList>(visit, page, (nameof(LayerUseList.Last), last));
        var (tag, digest) = (PageQueries.Named(query, "tag"), PageQueries.Named(query, "digest"));
        return await rollbacks.PlanAsync(viewer, repository, tag, digest, stop) is not { } plan ? null
            : await html.PageAsync<RollbackDetails>(visit, plan);
    }
}
