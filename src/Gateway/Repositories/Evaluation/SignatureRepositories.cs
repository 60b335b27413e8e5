using Gateway.Configuration;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>A repository that has signatures of images in other repositories.</summary>
/// <param name="Written">Its name in <c>signatureRepositories</c>.</param>
/// <param name="Name">Its canonical name, with which rights and rules are evaluated.</param>
internal sealed record SignatureRepository(RepositoryName Written, RepositoryName Name, IBacking Backing);

/// <summary>Finds the repositories that the policy's <c>signatureRepositories</c> name. They are never at a passthrough upstream.</summary>
internal sealed class SignatureRepositories(GatewayOptions options, StoredRepositories stored, PullThroughFactory pullThrough)
{
    private readonly RepositoryNames _names = new(options);

    /// <summary>The repository of this name in the policy; null when no route leads to it, or its upstream is a passthrough one.</summary>
    public SignatureRepository? Find(RepositoryName written) =>
        _names.Find(written) is { Upstream: not { Auth: UpstreamAuth.Passthrough } } place && _names.NameOf(place) is { } name
            ? new(written, name, place.Upstream is { } upstream ? pullThrough(upstream, place.Name, null) : stored.BuiltIn(place.Name))
            : null;
}
