using System.Collections.Frozen;

namespace Gateway.Upstream;

/// <summary>What a token is asked for: pulling from one repository, pushing to it, or deleting there, or listing all; never more.</summary>
internal static class TokenScope
{
    private static readonly FrozenSet<string> ActionsToDelete = FrozenSet.Create("pull", "push", "delete", "*");

    /// <summary>The scope of a token for a request (distribution's token specification, "repository:name:actions").</summary>
    public static string Of(UpstreamRequest request, Challenge challenge)
    {
        if (request.Noun == UpstreamNoun.Catalog) return "registry:catalog:*";
        if (!request.IsWrite) return $"repository:{request.Name}:pull";
        return $"repository:{request.Name}:{(request.Method == HttpMethod.Delete ? ToDelete(request, challenge) : "pull,push")}";
    }

    /// <summary>
    /// As the registry says: distribution and GitLab want <c>delete</c>; Quay's token server knows no such action, takes a scope that has
    /// it for malformed, and wants <c>pull,push</c>.
    /// </summary>
    private static string ToDelete(UpstreamRequest request, Challenge challenge)
    {
        var own = $"repository:{request.Name}:";
        var said = challenge["scope"]?.Split(' ').FirstOrDefault(scope => scope.StartsWith(own, StringComparison.Ordinal));
        string[] actions = [.. said?[own.Length..].Split(',').Where(ActionsToDelete.Contains) ?? []];
        return actions.Length == 0 ? "pull,push,delete" : string.Join(',', actions);
    }
}
