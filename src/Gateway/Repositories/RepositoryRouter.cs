using Gateway.Oci;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>Which repository a request means.</summary>
/// <param name="Repository">Null when nothing is routed there.</param>
/// <param name="CanonicalName">The name that access rules see: the first route's prefix and the rest, so that <c>?ns=</c>, host and prefix are one name.</param>
internal sealed record Routed(Repository? Repository, RepositoryName CanonicalName);

/// <summary>Chooses a repository by <c>?ns=</c> (a closed lookup key), else virtual host, else path. Immutable but for its cache of repositories; a reload makes a new one.</summary>
internal sealed class RepositoryRouter
{
    /// <param name="host">The Host header without port, lower case.</param>
    /// <param name="ns">The <c>ns</c> query parameter, checked to be <c>host[:port]</c>; null when not sent. An unknown one routes nowhere.</param>
    public Routed Route(string host, string? ns, RepositoryName path) => throw new NotImplementedException();

    /// <summary>Names after <paramref name="last"/> that this predicate lets through, at most <paramref name="count"/>.</summary>
    public ValueTask<Page<RepositoryName>> CatalogAsync(Func<RepositoryName, bool> mayPull, string? last, int count, CancellationToken cancellationToken) =>
        throw new NotImplementedException();

    /// <summary>The decision of this id, while it is remembered.</summary>
    public Decision? FindDecision(string id) => throw new NotImplementedException();
}
