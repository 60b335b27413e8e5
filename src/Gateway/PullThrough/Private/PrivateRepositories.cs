using Gateway.Configuration;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// The views of passthrough upstreams: one for each upstream, repository and credential. They are in memory only, keyed by a salted hash of
/// the credential. A view that was not used for <c>provenFor</c> proves nothing any more; it is removed together with its credential.
/// </summary>
internal sealed class PrivateRepositories(FetchTable fetches, TimeProvider clock)
{
    // Chosen: clients × repositories of a large team; a view has some KiB. A view that was evicted costs one HEAD.
    private const int Max = 4096;

    private readonly Lock _lock = new();
    private readonly ExpiringMap<(UpstreamOptions, IUpstreamRegistry, RepositoryName, string?, ManifestLimits), PrivateRepository>
        _views = new(Max, clock);

    /// <summary>Clears all views, with what they remember of upstreams. Requests that already use one finish with it.</summary>
    public void Forget() => _views.Clear();

    /// <param name="client">The client's credential; null if the client sent none.</param>
    /// <param name="stored">The cached content of the repository, shared by all views.</param>
    /// <param name="limits">The policy's limits for a document.</param>
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
