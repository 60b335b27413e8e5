using Gateway.Configuration;

namespace Gateway.Access;

/// <summary>
/// The caller of one request, with its rights in the repository of the request. Rights follow the identity, never a token's scope, because
/// cosign and crane request only pull when they read, whatever their rights.
/// </summary>
/// <param name="Actor">The account's name, or <c>anonymous</c>.</param>
/// <param name="Rights">Its rights in this repository.</param>
internal sealed record Caller(string Actor, AccessActions Rights)
{
    public const string Anonymous = "anonymous";

    /// <summary>In access rules: every account that has logged in.</summary>
    public const string Everybody = "*";

    /// <summary>Checked again before each change for the caller; null if its rights cannot end during the request.</summary>
    public IRequestAuthorization? Authorization { get; init; }

    /// <summary>Whether the gateway itself asks, ahead of need: it is not counted as a client.</summary>
    public bool IsGateway { get; init; }

    public bool MayPull => Rights.HasFlag(AccessActions.Pull);

    public bool MayPush => Rights.HasFlag(AccessActions.Push);

    public bool MayAdmin => Rights.HasFlag(AccessActions.Admin);
}
