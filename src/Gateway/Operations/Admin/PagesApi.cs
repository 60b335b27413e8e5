using System.Text.Json.Serialization;
using Gateway.Operations.ReadModels;

namespace Gateway.Operations;

/// <summary>The pages about stored content in the admin API.</summary>
internal sealed class PagesApi(
    RepositoryPages repositories, RepositoryTree tree, TagPages tags, Deletions deletions, ImagePages images, LayerUses uses) : IAdminNoun
{
    public IEnumerable<AdminEndpoint> Endpoints =>
    [
        AdminCalls.RepositoryPage.By(async (query, stop) =>
            await repositories.ReadAsync(Viewer.Operator, PageQueries.Repositories(query), stop)),
        AdminCalls.TreePage.By(async (query, stop) =>
            await tree.ReadAsync(Viewer.Operator, PageQueries.Under(query), PageQueries.Text(query, "last"), stop)),
        AdminCalls.TagPage.By((query, stop) => tags.ReadAsync(Viewer.Operator, PageQueries.Tags(query), stop)),
        AdminCalls.DeletionPage.By((query, stop) =>
            deletions.PlanAsync(Viewer.Operator, PageQueries.Named(query, "repository"), query["tag"].OfType<string>(), stop)),
        AdminCalls.ImagePage.By((query, stop) => images.ReadAsync(
            Viewer.Operator, PageQueries.Named(query, "repository"), PageQueries.Named(query, "reference"), stop)),
        AdminCalls.LayerPage.By((query, stop) => uses.ReadAsync(
            Viewer.Operator, PageQueries.Named(query, "repository"), PageQueries.Named(query, "reference"),
            PageQueries.Text(query, "last"), stop)),
    ];
}

/// <summary>The JSON documents of pages.</summary>
[JsonSerializable(typeof(RepositoryPage)), JsonSerializable(typeof(TagPage)), JsonSerializable(typeof(ImagePage))]
[JsonSerializable(typeof(RollbackPlan)), JsonSerializable(typeof(DeletionPlan)), JsonSerializable(typeof(TrashPage))]
[JsonSerializable(typeof(TreePage)), JsonSerializable(typeof(LayerUsePage)), JsonSerializable(typeof(ConfigurationPage))]
[JsonSerializable(typeof(HoldPage)), JsonSerializable(typeof(OverviewPage)), JsonSerializable(typeof(PolicyPage))]
[JsonSerializable(typeof(ActivityPage)), JsonSerializable(typeof(UpkeepPage)), JsonSerializable(typeof(ReplicaPage))]
[JsonSerializable(typeof(System.Text.Json.Nodes.JsonObject))]
[JsonSerializable(typeof(Dictionary<string, List<SavedBucket>>))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
internal sealed partial class PageJson : JsonSerializerContext;
