using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Gateway.Operations.ReadModels;

namespace Gateway.Operations;

/// <summary>
/// <c>GET /api/v1/pages/…</c>: what each page of the console shows, as JSON. The page renders the same value.
/// </summary>
internal sealed class PagesApi(
    RepositoryPages repositories, TagPages tags, ImagePages images, HoldPages holds, OverviewPages overview, PolicyPages policy,
    ActivityPages activity, UpkeepPages upkeep, ReplicaPages replicas, TrashPages trash, Rollbacks rollbacks, Deletions deletions,
    ConfigurationPages configuration, RepositoryTree tree, LayerUses uses)
{
    private const string Prefix = AdminApi.Prefix + "pages/";

    /// <summary>The method and handler of a path of the admin API; null when it is no page.</summary>
    public (string Method, Func<HttpContext, Task> Answer)? Find(string path) => path == OpenApiDocument.Path
        ? ("GET", OpenApiDocument.AnswerAsync)
        : path.StartsWith(Prefix, StringComparison.Ordinal)
        ? ("GET", context => AnswerAsync(context, path[Prefix.Length..]))
        : null;

    private async Task AnswerAsync(HttpContext context, string name)
    {
        var (viewer, query, stop) = (Viewer.Operator, context.Request.Query, context.RequestAborted);
        var (repository, reference, search, last) = (Named("repository"), Named("reference"), Text("search"), Text("last"));
        await (name switch
        {
            "repositories" => WriteAsync(
                context, await repositories.ReadAsync(viewer, PageQueries.Repositories(query), stop), PageJson.Default.RepositoryPage),
            "tags" => WriteAsync(context, await tags.ReadAsync(viewer, PageQueries.Tags(query), stop), PageJson.Default.TagPage),
            "image" => WriteAsync(context, await images.ReadAsync(viewer, repository, reference, stop), PageJson.Default.ImagePage),
            "rollback" => WriteAsync(
                context, await rollbacks.PlanAsync(viewer, repository, Named("tag"), Named("digest"), stop), PageJson.Default.RollbackPlan),
            "deletion" => WriteAsync(
                context, await deletions.PlanAsync(viewer, repository, query["tag"].OfType<string>(), stop), PageJson.Default.DeletionPlan),
            "trash" => WriteAsync(context, trash.Read(search, last), PageJson.Default.TrashPage),
            "holds" => WriteAsync(context, await holds.ReadAsync(viewer, Text("repository"), last, stop), PageJson.Default.HoldPage),
            "overview" => WriteAsync(context, await overview.ReadAsync(viewer, Text("window"), stop), PageJson.Default.OverviewPage),
            "policy" => WriteAsync(context, await policy.ReadAsync(search, PageQueries.Trial(query), stop), PageJson.Default.PolicyPage),
            "activity" => WriteAsync(context, activity.Read(Text("event"), Text("actor")), PageJson.Default.ActivityPage),
            "upkeep" => WriteAsync(context, upkeep.Read(), PageJson.Default.UpkeepPage),
            "tree" => WriteAsync(context, await tree.ReadAsync(viewer, PageQueries.Under(query), last, stop), PageJson.Default.TreePage),
            "layers" => WriteAsync(context, await uses.ReadAsync(viewer, repository, reference, last, stop), PageJson.Default.LayerUsePage),
            "configuration" => WriteAsync(context, configuration.Read(search), PageJson.Default.ConfigurationPage),
            "replicas" => WriteAsync(context, replicas.Read(), PageJson.Default.ReplicaPage),
            _ => AdminApi.ProblemAsync(
                context, StatusCodes.Status404NotFound,
                "unknown page; expected overview, repositories, tree, tags, deletion, image, layers, rollback, holds, policy, activity, "
                + "upkeep, trash, configuration or replicas below pages/"),
        });

        string? Text(string key) => PageQueries.Text(query, key);

        string Named(string key) => Text(key) ?? "";
    }

    private static Task WriteAsync<T>(HttpContext context, T? page, JsonTypeInfo<T> type) where T : class => page is null
        ? AdminApi.ProblemAsync(
            context, StatusCodes.Status404NotFound, "expected a repository and reference that are stored here, got others")
        : AdminApi.WriteAsync(context, StatusCodes.Status200OK, page, type);
}

/// <summary>The JSON documents of <see cref="PagesApi"/>.</summary>
[JsonSerializable(typeof(RepositoryPage))]
[JsonSerializable(typeof(TagPage))]
[JsonSerializable(typeof(ImagePage))]
[JsonSerializable(typeof(RollbackPlan))]
[JsonSerializable(typeof(DeletionPlan))]
[JsonSerializable(typeof(TrashPage))]
[JsonSerializable(typeof(TreePage))]
[JsonSerializable(typeof(LayerUsePage))]
[JsonSerializable(typeof(ConfigurationPage))]
[JsonSerializable(typeof(HoldPage))]
[JsonSerializable(typeof(OverviewPage))]
[JsonSerializable(typeof(PolicyPage))]
[JsonSerializable(typeof(ActivityPage))]
[JsonSerializable(typeof(UpkeepPage))]
[JsonSerializable(typeof(ReplicaPage))]
[JsonSerializable(typeof(System.Text.Json.Nodes.JsonObject))]
[JsonSerializable(typeof(Dictionary<string, List<SavedBucket>>))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
internal sealed partial class PageJson : JsonSerializerContext;
