using Gateway.Access;
using Gateway.Configuration;
using Gateway.Repositories;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>Why something was refused, for callers with rights in the repository: <c>/-/decisions/&lt;id&gt;</c>.</summary>
internal static class DecisionEndpoint
{
    public static async Task GetAsync(Exchange x)
    {
        var decision = x.Snapshot.Router.FindDecision(x.Target.Id);
        if (decision is null || !await MaySeeAsync(x, decision))
        {
            await (x.Identity is Identity.Anonymous && !x.Snapshot.Access.IsOpen && !x.Snapshot.PassesCredentialsOn
                ? x.ChallengeAsync(RegistryFace.LogIn)
                : x.FailAsync(RegistryErrorCode.NAME_UNKNOWN, $"no decision {x.Target.Id} is remembered that you may see"));
            return;
        }
        x.Response.Headers.CacheControl = "no-store";
        await x.WriteAsync(Status200OK, "application/json", decision.Json);
    }

    private static async ValueTask<bool> MaySeeAsync(Exchange x, RecordedDecision decision)
    {
        var caller = x.Snapshot.Access.For(x.Identity, decision.Repository);
        if (!caller.MayPull && !caller.MayPush) return false;
        if (!x.Snapshot.PassesCredentialsOn) return true;
        // A client that cannot read a private manifest at the upstream must not learn what the policy says about it.
        var routed = x.Snapshot.Router.Route("", null, decision.Repository, x.Shown);
        return routed.Source is not { Upstream: var key } || x.Snapshot.Options.Upstreams[key].Auth != UpstreamAuth.Passthrough
            || (!decision.Digest.IsEmpty && await routed.Repository!.HasManifestAsync(decision.Digest, x.Aborted));
    }
}
