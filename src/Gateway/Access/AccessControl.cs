using System.Net;
using Gateway.Configuration;
using Gateway.Oci;

namespace Gateway.Access;

/// <summary>Who asks, and may they. Immutable but for its caches; a reload makes another by <see cref="With"/>, so that a request keeps the one it began with.</summary>
internal sealed class AccessControl(AccessOptions? options, TimeProvider clock, ILogger<AccessControl> logger)
{
    /// <summary>No <c>access</c> section: everybody may do everything, and nobody is asked who he is.</summary>
    public bool IsOpen => options is null;

    /// <summary>The same accounts' caches, token key and delays under new rules: tokens outlive a reload.</summary>
    public AccessControl With(AccessOptions? next) => new(next, clock, logger);

    /// <summary>Reads an <c>Authorization</c> header. Whatever is sent is checked, even where nothing would have had to be.</summary>
    /// <param name="remote">Whom a failed login is counted against; null counts it against all such callers together.</param>
    public ValueTask<Identity> IdentifyAsync(string? authorization, IPAddress? remote, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>What this identity may do in this repository.</summary>
    /// <param name="canonicalName">The name that access rules see (<c>Routed.CanonicalName</c>).</param>
    public Asker For(Identity identity, RepositoryName canonicalName) => throw new NotImplementedException();

    /// <summary>The token endpoint, GET (query) and POST (form) alike.</summary>
    public ValueTask<TokenAnswer> IssueTokenAsync(string? authorization, TokenRequest request, IPAddress? remote, CancellationToken cancellationToken) =>
        throw new NotImplementedException();
}
