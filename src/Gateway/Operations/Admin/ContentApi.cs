using Gateway.Configuration;
using Gateway.Replicas;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations;

/// <summary>Content by name in the admin API: listing, deleting, purging and prefetching it.</summary>
/// <param name="memory">Cleared after content was purged.</param>
/// <param name="news">Tells other replicas of a purge; null if this gateway is alone.</param>
internal sealed class ContentApi(
    ICurrent<RepositoryRouter> current, CachedRepositories cached, IUpstreamMemory memory, News? news = null) : IAdminNoun
{
    public IEnumerable<AdminEndpoint> Endpoints =>
    [
        AdminCalls.Repositories.By(stop => StoredNames.RepositoriesAsync(cached, current.Value.Options, current.Value, stop)),
        new(AdminCalls.Tags, TagsAsync),
        AdminCalls.Delete.By(DeleteAsync),
        AdminCalls.Purge.By(PurgeAsync),
        AdminCalls.Prefetch.By(PrefetchAsync),
    ];

    private async Task TagsAsync(HttpContext context)
    {
        var name = context.Request.Query["repository"].ToString();
        var listed = await StoredNames.TagsAsync(current.Value, name, context.RequestAborted);
        await (listed.Tags is { } tags
            ? AdminApi.WriteLinesAsync(context, tags, AdminJson.Default.ListedTag)
            : AdminApi.ProblemAsync(context, listed.Status, listed.Problem));
    }

    private async Task DeleteAsync(HttpContext context, DeleteRequest request)
    {
        context.Features.Set(new AdminSubject(request.Reference));
        var result = await StoredNames.DeleteAsync(current.Value, request, context.RequestAborted);
        var status = result.Problem is null ? StatusCodes.Status200OK : StatusCodes.Status404NotFound;
        await AdminApi.WriteAsync(context, status, result, AdminJson.Default.DeleteResult);
    }

    private async Task PurgeAsync(HttpContext context, PurgeRequest request)
    {
        context.Features.Set(new AdminSubject(request.DryRun ? $"{request.What} (dry run)" : request.What));
        var result = await Purge.RunAsync(cached, current.Value, request, context.RequestAborted);
        // What another replica heard of a tag can be remembered here, although nothing of it is cached.
        if (!request.DryRun && (result.Purged.Count > 0 || news is not null)) await memory.ForgetAsync();
        if (!request.DryRun && news is not null)
        {
            result = result with
            {
                Unconfirmed = await news.TellAsync(request.What, context.RequestAborted),
                Problem = result.Problem is { } none ? $"{none}; the other replicas purge what they have of it" : null,
            };
        }
        var status = result.Problem is null ? StatusCodes.Status200OK : StatusCodes.Status404NotFound;
        await AdminApi.WriteAsync(context, status, result, AdminJson.Default.PurgeResult);
    }

    // A line when each reference is cached; a client that disconnects ends the prefetch.
    private Task PrefetchAsync(HttpContext context, PrefetchRequest request)
    {
        context.Features.Set(new AdminSubject($"prefetch {string.Join(' ', request.References)}"));
        if (request.References.Count is 0 or > ImagePrefetch.MaxReferences)
        {
            var problem = $"expected 1 to {ImagePrefetch.MaxReferences} references";
            return AdminApi.ProblemAsync(context, StatusCodes.Status400BadRequest, problem);
        }
        var outcomes = ImagePrefetch.RunAsync(current.Value, request, context.RequestAborted);
        return AdminApi.WriteLinesAsync(context, outcomes, AdminJson.Default.PrefetchOutcome);
    }
}
