using System.Text.Json;
using Gateway.Access;
using Gateway.Operations;
using Gateway.Policy;
using Gateway.Repositories;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>
/// <c>POST /-/policy/evaluate</c> with <c>{"reference": "app:v1", "stage": "pull"}</c>: evaluates the policy in force, in a dry run that
/// records nothing. For a tag with a held push, the answer is about the held push, so the caller needs the right to push.
/// </summary>
internal static class EvaluateEndpoint
{
    // A reference of at most 400 characters and a stage, and room for spaces.
    private const int MaxBody = 2048;

    public static async Task PostAsync(Exchange x)
    {
        if (await CallerChecks.RefuseUnlessJsonAsync(x) || await RequestBody.RefuseEncodedAsync(x)) return;
        using var receipt = RequestBody.Receive(x);
        var body = await RequestBody.ReadAsync(x.Request, MaxBody, receipt, x.Aborted);
        if (body is null || Read(body) is not { } asked)
        {
            const string Message =
                "expected JSON with \"reference\", a repository with :tag or @digest, and \"stage\", such as push, tag or pull";
            await x.FailAsync(RegistryErrorCode.UNSUPPORTED, Message, status: Status400BadRequest);
            return;
        }
        var routed = x.Snapshot.Router.Route(x.Host, null, asked.Name);
        x.Caller = x.Snapshot.Access.For(x.Identity, routed.CanonicalName);
        if (await RefuseAsync(x, asked.Name, routed.Repository)) return;

        var repository = routed.Repository!;
        if (await repository.DryRun.ExplainAsync(asked.What, asked.Stage, x.Aborted) is not { } explained)
        {
            await x.FailAsync(RegistryErrorCode.MANIFEST_UNKNOWN, $"{asked.Name} has no {asked.What} here; push or pull it first");
            return;
        }
        var answer = ExplanationForm.Describe(repository.Name, asked.What, asked.Stage, explained, x.Record.Time);
        x.Response.Headers.CacheControl = "no-store";
        await x.WriteAsync(Status200OK, "application/json", JsonSerializer.SerializeToUtf8Bytes(answer, AdminJson.Default.PolicyAnswer));
    }

    // A caller without the right to pull learns nothing about the repository.
    private static async Task<bool> RefuseAsync(Exchange x, RepositoryName name, Repository? repository)
    {
        if (x.Caller is { MayPull: true, MayPush: true } && repository is not null) return false;
        if (x.Identity is Identity.Anonymous && !x.Caller.MayPush) await x.ChallengeAsync(RegistryFace.LogIn);
        else if (!x.Caller.MayPull || repository is null)
            await x.FailAsync(RegistryErrorCode.NAME_UNKNOWN, $"repository {name} is not known here");
        else
            await x.FailAsync(
                RegistryErrorCode.DENIED,
                $"{x.Caller.Actor} has no right to push to repository {name}, which is needed to ask about held pushes");
        return true;
    }

    internal static (RepositoryName Name, Reference What, Stage Stage)? Read(byte[] body)
    {
        try
        {
            var question = JsonSerializer.Deserialize(body, AdminJson.Default.PolicyQuestion);
            return question is { As: null, At: null, Policy: null } && WrittenReference.Parse(question.Reference) is { } asked
                && ExplanationForm.StageOf(question.Stage) is { } stage
                ? (asked.Name, asked.What ?? WrittenReference.Latest, stage)
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
