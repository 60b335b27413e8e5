using System.Collections.Frozen;

namespace Gateway.Upstream;

/// <summary>
/// The scope of a token request: the least that one request needs. That is to pull from one repository, to push to it, to delete in it, or
/// to list all repositories.
/// </summary>
/// <remarks>
/// The upstream's challenge determines the repository of a pull, because a mirror can have another name for it than the request (Artifact
/// Registry's remote repositories, Harbor's proxy projects, Artifactory behind a path: containerd#13412, oras-go#650). The gateway
/// determines the actions.
/// </remarks>
internal static class TokenScope
{
    private static readonly FrozenSet<string> ActionsToDelete = FrozenSet.Create("pull", "push", "delete", "*");

    // In characters. Chosen: four times the distribution-spec's longest name, because mirrors add a host and a path.
    private const int LongestName = 1024;

    /// <summary>The scope of a token that answers a challenge to this request.</summary>
    public static string Of(UpstreamRequest request, Challenge challenge) => Of(request, challenge, RepositoryOf(request, challenge));

    /// <summary>The scope of a token for a request (distribution's token specification, "repository:name:actions").</summary>
    /// <param name="challenge">The challenge that the token answers.</param>
    /// <param name="repository">The repository's name at the token server.</param>
    public static string Of(UpstreamRequest request, Challenge challenge, string repository)
    {
        if (request.Noun == UpstreamNoun.Catalog) return "registry:catalog:*";
        if (!request.IsWrite) return $"repository:{repository}:pull";
        return $"repository:{repository}:{(request.Method == HttpMethod.Delete ? ToDelete(repository, challenge) : "pull,push")}";
    }

    /// <summary>
    /// The repository that a challenge to this request names. The request's own repository if the challenge names it or names none. Also
    /// for every write, so that an upstream cannot choose the repository for which a token allows pushes.
    /// </summary>
    public static string RepositoryOf(UpstreamRequest request, Challenge challenge)
    {
        if (request.IsWrite) return request.Name.Value;
        string[] named = [.. challenge["scope"]?.Split(' ').Select(NameIn).OfType<string>() ?? []];
        return named.Length == 0 || named.Contains(request.Name.Value) ? request.Name.Value : named[0];
    }

    // The name can contain a colon (host:port). Resource classes ("repository(plugin)") are other resources.
    private static string? NameIn(string scope)
    {
        const string Resource = "repository:";
        var last = scope.LastIndexOf(':');
        if (!scope.StartsWith(Resource, StringComparison.Ordinal) || last <= Resource.Length) return null;
        var name = scope[Resource.Length..last];
        return name.Length <= LongestName && !name.AsSpan().ContainsAnyExceptInRange('!', '~') ? name : null;
    }

    /// <summary>
    /// The actions that the challenge names, because registries differ: distribution and GitLab require <c>delete</c>. Quay's token server
    /// rejects a scope with that action as malformed, and requires <c>pull,push</c>.
    /// </summary>
    private static string ToDelete(string repository, Challenge challenge)
    {
        var own = $"repository:{repository}:";
        var said = challenge["scope"]?.Split(' ').FirstOrDefault(scope => scope.StartsWith(own, StringComparison.Ordinal));
        string[] actions = [.. said?[own.Length..].Split(',').Where(ActionsToDelete.Contains) ?? []];
        return actions.Length == 0 ? "pull,push,delete" : string.Join(',', actions);
    }
}
