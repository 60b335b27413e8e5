using Gateway.Configuration;

namespace Gateway.Access;

/// <summary>
/// Who asks, and what access rules let him do in the repository he asks about: by identity, never by a token's scope, for cosign and crane
/// ask for pull alone when they read, whatever they may do.
/// </summary>
/// <param name="Actor">The account's name, or <c>anonymous</c>.</param>
/// <param name="Rights">What he may do in this repository.</param>
internal sealed record Caller(string Actor, AccessActions Rights)
{
    public const string Anonymous = "anonymous";

    /// <summary>In access rules: every account that has logged in.</summary>
    public const string Everybody = "*";

    /// <summary>Asked once more before anything is changed for him; null where his rights cannot end meanwhile.</summary>
    public IRequestAuthorization? Standing { get; init; }

    public bool MayPull => Rights.HasFlag(AccessActions.Pull);

    public bool MayPush => Rights.HasFlag(AccessActions.Push);

    public bool MayAdmin => Rights.HasFlag(AccessActions.Admin);
}
