using System.Runtime.CompilerServices;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations;

/// <param name="Name">The name that clients use.</param>
/// <param name="Source">Key of the upstream; null for built-in storage.</param>
internal sealed record ListedRepository(string Name, string? Source);

/// <param name="Tag">A tag, including a held one.</param>
internal sealed record ListedTag(string Tag);

/// <param name="Reference"><c>repository:tag</c> or <c>repository@digest</c>.</param>
/// <param name="Force">Also delete evidence that admits other content.</param>
internal sealed record DeleteRequest(string Reference, bool Force = false);

/// <param name="Digest">The digest that the tag was bound to, or the deleted digest.</param>
/// <param name="Problem">Why nothing was deleted; null if it was.</param>
internal sealed record DeleteResult(string Reference, string? Digest, string? Problem);

/// <summary>Stored content by name, as the operator sees and removes it: through the gate, with all rights.</summary>
internal static class StoredNames
{
    /// <summary>Names read at a time: the catalog's largest page.</summary>
    private const int PageSize = 1000;

    /// <summary>
    /// Every repository with content: stored and fronted ones in bytewise order, then cached ones in no order. One page at a time is
    /// in memory.
    /// </summary>
    public static async IAsyncEnumerable<ListedRepository> RepositoriesAsync(
        CachedRepositories cached, GatewayOptions options, RepositoryRouter router,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (string? last = null; ;)
        {
            var (page, _) = await router.CatalogAsync(_ => Operator(force: false), last, PageSize, cancellationToken);
            foreach (var name in page.Items) yield return new(name.Value, router.Route(name).Source?.Upstream);
            if (!page.More || page.Items.Count == 0) break;
            last = page.Items[^1].Value;
        }
        foreach (var each in cached.All())
        {
            cancellationToken.ThrowIfCancellationRequested();
            // The catalog already lists those of fronted registries.
            if (router.UpstreamOf(each.Upstream) is { } upstream && options.FrontOf(upstream.Key) is not null) continue;
            yield return new(router.NameOf(each.Upstream, each.Name), each.Upstream);
        }
    }

    /// <summary>The tags of a repository in bytewise order, or the status and reason of a failure.</summary>
    public static async ValueTask<(IAsyncEnumerable<ListedTag>? Tags, int Status, string Problem)> TagsAsync(
        RepositoryRouter router, string name, CancellationToken cancellationToken)
    {
        if (!RepositoryName.TryParse(name, out var parsed))
        {
            var got = Printable.Line(name, 80);
            return (null, StatusCodes.Status400BadRequest, $"expected ?repository= with a name such as team/app, got '{got}'");
        }
        if (router.Route(parsed).Repository is not { } repository)
            return (null, StatusCodes.Status404NotFound, $"no repository {name}; run gateway repos to list repositories");
        var first = await repository.TagsAsync(Operator(force: false), null, PageSize, cancellationToken);
        return first is Answer<Page<TagName>>.Found { Value: var page }
            ? (FromAsync(repository, page, cancellationToken), StatusCodes.Status200OK, "")
            : (null, StatusCodes.Status404NotFound, $"no tags of {name}: {Why(first)}");
    }

    private static async IAsyncEnumerable<ListedTag> FromAsync(
        Repository repository, Page<TagName> page, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            foreach (var tag in page.Items) yield return new(tag.Value);
            if (!page.More || page.Items.Count == 0) yield break;
            var next = await repository.TagsAsync(Operator(force: false), page.Items[^1].Value, PageSize, cancellationToken);
            if (next is not Answer<Page<TagName>>.Found { Value: var following }) yield break;
            page = following;
        }
    }

    /// <summary>Deletes a tag, or a manifest with every tag bound to it.</summary>
    public static Task<DeleteResult> DeleteAsync(RepositoryRouter router, DeleteRequest request, CancellationToken cancellationToken) =>
        DeleteAsync(router, request, _ => Operator(request.Force), cancellationToken);

    /// <summary>The same for a caller with its own rights.</summary>
    /// <param name="callerOf">The caller in a repository, by the repository's canonical name.</param>
    public static async Task<DeleteResult> DeleteAsync(
        RepositoryRouter router, DeleteRequest request, Func<RepositoryName, Caller> callerOf, CancellationToken cancellationToken)
    {
        if (WrittenReference.Parse(request.Reference) is not { What: { } what, Name: var name })
        {
            var got = Printable.Line(request.Reference, 120);
            return new(request.Reference, null, $"expected repository:tag or repository@digest, got '{got}'");
        }
        if (router.Route(name) is not { Repository: { } repository, CanonicalName: var canonical })
            return new(request.Reference, null, $"no repository {name}; run gateway repos to list repositories");
        var answer = await repository.DeleteManifestAsync(callerOf(canonical), what, cancellationToken);
        return answer is Answer<Digest>.Found { Value: var digest }
            ? new(request.Reference, digest.ToString(), null)
            : new(request.Reference, null, Why(answer));
    }

    private static Caller Operator(bool force) => new("operator", force ? AccessActions.All | AccessActions.Admin : AccessActions.All);

    /// <summary>Why an answer of the gate is not what was asked for, in one sentence.</summary>
    public static string Why<T>(Answer<T> answer) => answer switch
    {
        Answer<T>.Unavailable no => no.Why,
        Answer<T>.Invalid { Cause: InvalidCause.NotSupportedHere } =>
            "it is cached from an upstream; run gateway purge to remove it",
        Answer<T>.Invalid no => no.Message,
        Answer<T>.Refused no => no.Decision.Message,
        Answer<T>.Hidden no => no.Decision.Message,
        Answer<T>.Superseded => "the configuration changed meanwhile; try again",
        _ => "it does not exist here",
    };
}
