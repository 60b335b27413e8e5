using System.Collections.Frozen;

namespace Gateway.Upstream;

/// <summary>What a token is asked for: pulling from one repository, pushing to it, or deleting there, or listing all; never more.</summary>
/// <remarks>
/// The repository is the one that the upstream's challenge names: a mirror may know the one that was asked for by another name
/// (Artifact Registry's remote repositories, Harbor's proxy projects, Artifactory behind a path: containerd#13412, oras-go#650). The
/// actions are the gateway's own.
/// </remarks>
internal static class TokenScope
{
    private static readonly FrozenSet<string> ActionsToDelete = FrozenSet.Create("pull", "push", "delete", "*");

    // Chosen: four times the distribution-spec's longest name; mirrors put a host and a path before it.
    private const int LongestName = 1024;

    /// <summary>The scope that a challenge to this request asks for.</summary>
    public static string Of(UpstreamRequest request, Challenge challenge) => Of(request, challenge, RepositoryOf(request, challenge));

    /// <summary>The scope of a token for a request (distribution's token specification, "repository:name:actions").</summary>
    /// <param name="repository">As the token server knows it.</param>
    public static string Of(UpstreamRequest request, Challenge challenge, string repository)
    {
        if (request.Noun == UpstreamNoun.Catalog) return "registry:catalog:*";
        if (!request.IsWrite) return $"repository:{repository}:pull";
        return $"repository:{repository}:{(request.Method == HttpMethod.Delete ? ToDelete(repository, challenge) : "pull,push")}";
    }

    /// <summary>
    /// The repository that a challenge to this request names; the request's own where it names none, or that one among others, and for
    /// every write: no upstream chooses what a token lets push to.
    /// </summary>
    public static string RepositoryOf(UpstreamRequest request, Challenge challenge)
    {
        if (request.IsWrite) return request.Name.Value;
        string[] named = [.. challenge["scope"]?.Split(' ').Select(NameIn).OfType<string>() ?? []];
        return named.Length == 0 || named.Contains(request.Name.Value) ? request.Name.Value : named[0];
    }

    // The name may hold a colon itself (host:port); resource classes ("repository(plugin)") are other resources.
    private static string? NameIn(string scope)
    {
        const string Resource = "repository:";
        var last = scope.LastIndexOf(':');
        if (!scope.StartsWith(Resource, StringComparison.Ordinal) || last <= Resource.Length) return null;
        var name = scope[Resource.Length..last];
        return name.Length <= LongestName && !name.AsSpan().ContainsAnyExceptInRange('!', '~') ? name : null;
    }

    /// <summary>
    /// As the registry says: distribution and GitLab want <c>delete</c>; Quay's token server knows no such action, takes a scope that has
    /// it for malformed, and wants <c>pull,push</c>.
    /// </summary>
    private static string ToDelete(string repository, Challenge challenge)
    {
        var own = $"repository:{repository}:";
        var said = challenge["scope"]?.Split(' ').FirstOrDefault(scope => scope.StartsWith(own, StringComparison.Ordinal));
        string[] actions = [.. said?[own.Length..].Split(',').Where(ActionsToDelete.Contains) ?? []];
        return actions.Length == 0 ? "pull,push,delete" : string.Join(',', actions);
    }
}
