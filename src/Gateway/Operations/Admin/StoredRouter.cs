using Gateway.Access;
using Gateway.Configuration;
using Gateway.Fronting;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations;

/// <summary>Makes routers over what is stored here: their repositories ask no upstream.</summary>
internal sealed class StoredRouter(
    StoredRepositories stored, StagedContent staged, Origins origins, IContentLookup lookup, Decisions decisions)
{
    /// <summary>A router with the names of a configuration, and gates with a policy.</summary>
    /// <param name="contents">Cached results about the bytes of blobs; null to start without any.</param>
    public RepositoryRouter Of(GatewayOptions options, PolicyOptions? policy, TimeProvider clock, BlobContents? contents = null)
    {
        var folders = options.Upstreams.Values.ToDictionary(u => u.Key, u => origins.FolderOf(u.Key, u.Urls));
        var signatures = new SignatureRepositories(options, stored, Stored);
        var evaluations = new Evaluations(new PolicyEngine(policy), decisions, clock, contents, signatures);
        return new(options, stored, staged, origins, lookup, Stored, evaluations);

        IBacking Stored(UpstreamOptions upstream, RepositoryName name, BasicCredentials? shown)
        {
            var cached = stored.Cached(folders[upstream.Key], name);
            return options.FrontOf(upstream.Key) is null ? cached : new StagedOverlay(stored.Staged(folders[upstream.Key], name), cached);
        }
    }
}
