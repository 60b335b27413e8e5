using System.Text.Json.Nodes;
using Gateway.Operations.ReadModels;
using Gateway.Storage;
using static Gateway.Operations.AdminJson;
using Pages = Gateway.Operations.PageJson;

namespace Gateway.Operations;

/// <summary>
/// Every call of the admin API. A call of a page returns what the page of the console shows; the page renders the same value.
/// </summary>
internal static class AdminCalls
{
    public static readonly AdminRead<JsonObject> OpenApi = new("openapi.json", "The description of all others", Pages.Default.JsonObject);
    public static readonly AdminRead<Statistics> Stats =
        new("stats", "Cache, requests, upstreams, largest repositories", Default.Statistics) { Query = ["top"] };
    public static readonly AdminRead<ForwardList> Forwards = new("forwards", "Pushes that are not forwarded yet", Default.ForwardList);
    public static readonly AdminRead<ListedRepository> Repositories =
        new("repositories", "Every repository, a line for each", Default.ListedRepository) { HasLines = true };
    public static readonly AdminRead<ListedTag> Tags =
        new("tags", "The tags of a repository, a line for each", Default.ListedTag) { Query = ["repository"], HasLines = true };
    public static readonly AdminWrite<DeleteRequest, DeleteResult> Delete =
        new("delete", "Deletes a tag or manifest", Default.DeleteRequest, Default.DeleteResult) { Event = "delete" };
    public static readonly AdminWrite<PurgeRequest, PurgeResult> Purge =
        new("purge", "Removes cached content", Default.PurgeRequest, Default.PurgeResult) { Event = "purge" };
    public static readonly AdminWrite<PrefetchRequest, PrefetchOutcome> Prefetch =
        new("prefetch", "Fetches images ahead, a line for each", Default.PrefetchRequest, Default.PrefetchOutcome) { HasLines = true };

    public static readonly AdminWrite<HoldRequest, HoldResult> Release =
        new("holds/release", "Releases a held push", Default.HoldRequest, Default.HoldResult) { Event = "release" };
    public static readonly AdminWrite<HoldRequest, HoldResult> Drop =
        new("holds/drop", "Drops a held push", Default.HoldRequest, Default.HoldResult) { Event = "drop" };
    public static readonly AdminWrite<RollbackRequest, RollbackResult> Rollback =
        new("rollback", "Binds a tag to a manifest that its repository has", Default.RollbackRequest, Default.RollbackResult)
        {
            Event = "rollback",
        };

    public static readonly AdminRead<Job> Jobs = new("jobs", "Every job, a line for each", Default.Job) { HasLines = true };
    public static readonly AdminRead<Job> Job = new("jobs/{id}", "One job", Default.Job);
    public static readonly AdminWrite<GcRequest, Job> StopJob =
        new("jobs/{id}/stop", "Stops a job, and waits for that", Default.GcRequest, Default.Job);
    public static readonly AdminWrite<GcRequest, Job> Gc =
        new("gc", "Starts a collection of what nothing needs", Default.GcRequest, Default.Job);
    public static readonly AdminWrite<EmptyRequest, Job> Scrub =
        new("scrub", "Starts to read everything that is stored", Default.EmptyRequest, Default.Job);

    public static readonly AdminRead<TrashedItem> Trash =
        new("trash", "Everything in the trash, a line for each", Default.TrashedItem) { HasLines = true };
    public static readonly AdminWrite<RestoreRequest, RestoreResult> Restore =
        new("trash/restore", "Brings back manifests from the trash", Default.RestoreRequest, Default.RestoreResult);
    public static readonly AdminWrite<EmptyRequest, EmptiedTrash> EmptyTrash =
        new("trash/empty", "Deletes everything in the trash", Default.EmptyRequest, Default.EmptiedTrash);

    public static readonly AdminWrite<PolicyQuestion, PolicyExplained> Explain =
        new("policy/explain", "What the policy says of stored content", Default.PolicyQuestion, Default.PolicyExplained);
    public static readonly AdminWrite<PolicyComparison, PolicyChange> Diff =
        new("policy/diff", "What another policy would change, a line for each tag", Default.PolicyComparison, Default.PolicyChange)
        {
            HasLines = true,
        };

    public static readonly AdminRead<OverviewPage> OverviewPage =
        new("pages/overview", "The page Overview", Pages.Default.OverviewPage) { Query = ["window"] };
    public static readonly AdminRead<RepositoryPage> RepositoryPage =
        new("pages/repositories", "The page Repositories", Pages.Default.RepositoryPage)
        {
            Query = ["search", "source", "sort", "last", "n"],
        };
    public static readonly AdminRead<TreePage> TreePage =
        new("pages/tree", "A level of the tree of repositories", Pages.Default.TreePage) { Query = ["under", "last"] };
    public static readonly AdminRead<TagPage> TagPage = new("pages/tags", "The page Tags", Pages.Default.TagPage)
    {
        Query = ["repository", "search", "type", "signature", "platform", "olderThan", "sort", "last", "n"],
    };
    public static readonly AdminRead<DeletionPlan> DeletionPage =
        new("pages/deletion", "What deleting some tags frees", Pages.Default.DeletionPlan) { Query = ["repository", "tag"] };
    public static readonly AdminRead<ImagePage> ImagePage =
        new("pages/image", "The page of one manifest", Pages.Default.ImagePage) { Query = ["repository", "reference"] };
    public static readonly AdminRead<LayerUsePage> LayerPage =
        new("pages/layers", "The repositories that have layers of an image", Pages.Default.LayerUsePage)
        {
            Query = ["repository", "reference", "last"],
        };
    public static readonly AdminRead<RollbackPlan> RollbackPage =
        new("pages/rollback", "What a rollback of a tag does", Pages.Default.RollbackPlan) { Query = ["repository", "tag", "digest"] };
    public static readonly AdminRead<HoldPage> HoldPage =
        new("pages/holds", "The page Held pushes", Pages.Default.HoldPage) { Query = ["repository", "last"] };
    public static readonly AdminRead<PolicyPage> PolicyPage =
        new("pages/policy", "The page Policy", Pages.Default.PolicyPage) { Query = ["search", "reference", "stage", "as"] };
    public static readonly AdminRead<ActivityPage> ActivityPage =
        new("pages/activity", "The page Activity", Pages.Default.ActivityPage) { Query = ["event", "actor"] };
    public static readonly AdminRead<UpkeepPage> UpkeepPage = new("pages/upkeep", "The page Upkeep", Pages.Default.UpkeepPage);
    public static readonly AdminRead<TrashPage> TrashPage =
        new("pages/trash", "The page Trash", Pages.Default.TrashPage) { Query = ["search", "last"] };
    public static readonly AdminRead<ConfigurationPage> ConfigurationPage =
        new("pages/configuration", "The page Configuration", Pages.Default.ConfigurationPage) { Query = ["search"] };
    public static readonly AdminRead<ReplicaPage> ReplicaPage = new("pages/replicas", "The page Replicas", Pages.Default.ReplicaPage);
}
