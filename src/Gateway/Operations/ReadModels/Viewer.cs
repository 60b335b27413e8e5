using Gateway.Access;
using Gateway.Configuration;

namespace Gateway.Operations.ReadModels;

/// <summary>The person who looks at a read model: it contains only what this person may see.</summary>
/// <param name="actor">The account's name, <c>anonymous</c>, or <c>operator</c>.</param>
/// <param name="isOperator">Whether the person administers the whole gateway.</param>
/// <param name="callerOf">The caller with its rights in a repository, by the repository's canonical name.</param>
internal sealed class Viewer(string actor, bool isOperator, Func<RepositoryName, Caller> callerOf)
{
    /// <summary>The operator, with all rights in each repository.</summary>
    public static readonly Viewer Operator = new(
        "operator", isOperator: true, static _ => new("operator", AccessActions.All | AccessActions.Admin));

    /// <summary>The name that logs contain.</summary>
    public string Actor => actor;

    /// <summary>Whether the person sees the pages about the whole gateway, and what passes through with clients' own credentials.</summary>
    public bool IsOperator => isOperator;

    public Caller In(RepositoryName canonicalName) => callerOf(canonicalName);
}
