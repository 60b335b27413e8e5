using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Gateway.Policy;
using Gateway.Repositories;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>Why something was refused, for those who may ask about the repository: <c>/-/decisions/&lt;id&gt;</c>.</summary>
internal static class DecisionEndpoint
{
    // People copy the advice from here into gateway.yaml: a `+` stays a `+`. The answer is JSON by its type and never part of a page.
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Task GetAsync(Exchange x)
    {
        var decision = x.Snapshot.Router.FindDecision(x.Target.Id);
        if (decision is null || !MaySee(x, decision))
        {
            return x.FailAsync(RegistryErrorCode.NAME_UNKNOWN, $"no decision {x.Target.Id} is remembered that you may see");
        }
        x.Response.Headers.CacheControl = "no-store";
        return x.WriteAsync(Status200OK, "application/json", ToJson(decision));
    }

    private static bool MaySee(Exchange x, Decision decision)
    {
        var asker = x.Snapshot.Access.For(x.Identity, decision.Repository);
        return asker.MayPull || asker.MayPush;
    }

    private static byte[] ToJson(Decision decision)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Plain))
        {
            json.WriteStartObject();
            json.WriteString("id", decision.Id);
            json.WriteString("time", decision.Time);
            json.WriteString("actor", decision.Actor);
            json.WriteString("stage", Name(decision.Stage));
            json.WriteString("repository", decision.Repository.ToString());
            json.WriteString("reference", decision.Reference);
            json.WriteString("digest", decision.Digest.ToString());
            json.WriteString("outcome", Name(decision.Verdict.Outcome));
            json.WriteString("policyRevision", decision.Verdict.Revision.ToString("x16", CultureInfo.InvariantCulture));
            json.WriteString("message", decision.Message);
            WriteReasons(json, decision.Verdict);
            json.WriteEndObject();
        }
        return buffer.ToArray();
    }

    private static void WriteReasons(Utf8JsonWriter json, Verdict verdict)
    {
        json.WriteStartArray("reasons");
        foreach (var reason in verdict.Reasons)
        {
            json.WriteStartObject();
            json.WriteString("rule", reason.Rule);
            json.WriteString("code", reason.Code);
            json.WriteString("message", reason.Message);
            json.WriteString("outcome", Name(reason.Outcome));
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static string Name<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());
}
