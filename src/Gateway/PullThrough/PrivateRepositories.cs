using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// What clients see of passthrough upstreams: one view per upstream, repository and credential, in memory only and known by a salted hash
/// of the credential. A view that was not used for <c>provenFor</c> proves nothing any more, and goes with the credential in it.
/// </summary>
internal sealed class PrivateRepositories(FetchTable fetches, TimeProvider clock)
{
    // Chosen: clients × repositories of a large team; a view has some KiB. One that was dropped costs one HEAD.
    private const int Max = 4096;

    private readonly Lock _lock = new();
    private readonly ExpiringMap<(UpstreamOptions, IUpstreamRegistry, RepositoryName, string?, ManifestLimits), PrivateRepository>
        _views = new(Max, clock);

    /// <summary>Forgets all views, with what they remember of upstreams. Requests that have one finish with it.</summary>
    public void Forget() => _views.Clear();

    /// <param name="client">Null for one who shows nothing.</param>
    /// <param name="stored">What is kept of the repository, for all who see it.</param>
    /// <param name="limits">The policy's bounds of a document.</param>
    public PrivateRepository For(
        UpstreamOptions options, IUpstreamRegistry upstream, RepositoryName name, Credential? client, ManifestLimits limits,
        Func<StoredRepository> stored)
    {
        var key = (options, upstream, name, client?.Id, limits);
        lock (_lock)
        {
            if (!_views.TryGet(key, out var view)) view = new(stored(), options, upstream.As(client), name, fetches, limits, clock);
            _views.Set(key, view, options.ProvenFor);
            return view;
        }
    }
}
