using Gateway.Access;
using Gateway.Configuration;
using Gateway.Fronting;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Repositories;
using Gateway.Storage;

namespace Gateway.Operations;

/// <summary>Makes routers over what is stored here: their repositories ask no upstream.</summary>
internal static class StoredRouter
{
    /// <summary>A router with the names of a configuration, and gates with a policy.</summary>
    /// <param name="contents">Cached results about the bytes of blobs; null to start without any.</param>
    public static RepositoryRouter Of(
        GatewayOptions options, PolicyOptions? policy, Volume volume, TimeProvider clock, BlobContents? contents = null)
    {
        var folders = options.Upstreams.Values.ToDictionary(u => u.Key, u => volume.Origins.FolderOf(u.Key, u.Urls));
        var decisions = new Decisions(volume.DecisionRing);
        var signatures = new SignatureRepositories(options, volume, Stored);
        var evaluator = new Evaluator(new PolicyEngine(policy), decisions, clock, contents, signatures);
        return new(options, volume, Stored, evaluator, decisions, clock);

        IBacking Stored(UpstreamOptions upstream, RepositoryName name, BasicCredentials? shown)
        {
            var cached = volume.Cached(folders[upstream.Key], name);
            return options.FrontOf(upstream.Key) is null ? cached : new StagedOverlay(volume.Staged(folders[upstream.Key], name), cached);
        }
    }
}
