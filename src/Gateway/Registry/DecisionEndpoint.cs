using Gateway.Access;
using Gateway.Repositories;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>Why something was refused, for those who may ask about the repository: <c>/-/decisions/&lt;id&gt;</c>.</summary>
internal static class DecisionEndpoint
{
    public static Task GetAsync(Exchange x)
    {
        var decision = x.Snapshot.Router.FindDecision(x.Target.Id);
        if (decision is null || !MaySee(x, decision))
        {
            return x.Identity is Identity.Anonymous && !x.Snapshot.Access.IsOpen && !x.Snapshot.Options.PassesCredentialsOn
                ? x.ChallengeAsync(RegistryFace.LogIn)
                : x.FailAsync(RegistryErrorCode.NAME_UNKNOWN, $"no decision {x.Target.Id} is remembered that you may see");
        }
        x.Response.Headers.CacheControl = "no-store";
        return x.WriteAsync(Status200OK, "application/json", decision.Json);
    }

    private static bool MaySee(Exchange x, RecordedDecision decision)
    {
        var asker = x.Snapshot.Access.For(x.Identity, decision.Repository);
        return asker.MayPull || asker.MayPush;
    }
}
