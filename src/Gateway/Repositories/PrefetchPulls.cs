using Gateway.Access;
using Gateway.Configuration;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Pulls manifests ahead of need through the gate, by the configuration in force.</summary>
internal sealed class PrefetchPulls(ICurrent<RepositoryRouter> router)
{
    private static readonly Caller Prefetch = new("prefetch", AccessActions.Pull) { IsGateway = true };

    /// <summary>
    /// The manifest as a client with the right <c>pull</c> gets it; null when the gate returns none, or the upstream is no longer
    /// configured.
    /// </summary>
    /// <param name="upstream">The upstream's key.</param>
    /// <param name="name">The upstream's own name of the repository.</param>
    public async Task<StoredManifest?> PullAsync(
        string upstream, RepositoryName name, Reference reference, CancellationToken cancellationToken)
    {
        var current = router.Value;
        if (!current.Options.Upstreams.TryGetValue(upstream, out var options)) return null;
        if (current.Of(options, name)?.Repository is not { } repository) return null;
        var answer = await repository.GetManifestAsync(Prefetch, reference, cancellationToken);
        return answer is Answer<StoredManifest>.Found found ? found.Value : null;
    }
}
