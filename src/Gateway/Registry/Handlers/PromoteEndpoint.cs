using System.Text.Json;
using Gateway.Access;
using Gateway.Configuration;
using Gateway.Repositories;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>
/// <c>POST /-/promote</c> of <c>application/json</c>, <c>{"from": "stage/app@sha256:…", "to": "prod/app:v1"}</c>: binds a tag to a
/// manifest of another repository, with the evidence that the policy requires. Needs the right to pull there and to push here.
/// </summary>
internal static class PromoteEndpoint
{
    // Two references of at most 400 characters each, and room for spaces.
    private const int MaxBody = 4096;

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 2, AllowDuplicateProperties = false };

    public static async Task PostAsync(Exchange x)
    {
        if (await CallerChecks.RefuseUnlessJsonAsync(x) || await RequestBody.RefuseEncodedAsync(x)) return;
        using var receipt = RequestBody.Receive(x);
        if (await RequestBody.ReadAsync(x.Request, MaxBody, receipt, x.Aborted) is not { } body || Read(body) is not { } asked)
        {
            const string Message = "expected from as repository@digest or repository:tag, and to as repository:tag (JSON with both)";
            await x.FailAsync(RegistryErrorCode.UNSUPPORTED, Message, status: Status400BadRequest);
            return;
        }
        (x.Record.Repository, x.Record.Reference) = (asked.To.Value, asked.Tag.ToString());
        x.Record.Detail = $"{asked.From}{(asked.What.IsDigest ? '@' : ':')}{asked.What}";
        var answer = await RegistryFace.WriteAsync(x, AccessActions.None, () => TryAsync(x, asked));
        if (answer is null) return;
        if (answer is not Answer<PushedManifest>.Found { Value: var promoted } found)
        {
            var unknown = $"repository {asked.From} has no manifest {asked.What}; push it there before it is promoted";
            await x.RefuseAsync(answer, RegistryErrorCode.MANIFEST_UNKNOWN, unknown);
            return;
        }
        x.Note(found);
        x.Record.Digest = promoted.Digest.ToString();
        x.Response.Headers.Location = $"/v2/{asked.To}/manifests/{promoted.Digest}";
        x.Response.Headers[RegistryHeaders.ContentDigest] = promoted.Digest.ToString();
        x.Response.Headers[RegistryHeaders.GatewayPromoted] = asked.Tag.ToString();
        x.Empty(Status201Created);
    }

    // Null when the request was refused; then the client is answered.
    private static async ValueTask<Answer<PushedManifest>?> TryAsync(Exchange x, Promotion asked)
    {
        var from = x.Snapshot.Router.Route(x.Host, null, asked.From);
        var to = x.Snapshot.Router.Route(x.Host, null, asked.To);
        var there = x.CallerOf(from.CanonicalName);
        x.Caller = x.CallerOf(to.CanonicalName);
        if (await RefuseAsync(x, there, asked, from, to)) return null;
        x.Repository = to.Repository!;
        return await x.Repository.PromoteAsync(x.Caller, from.Repository!, there, asked.What, asked.Tag, x.Aborted);
    }

    // The same order as for every request: identity, right to pull, right to push, existence.
    private static async Task<bool> RefuseAsync(Exchange x, Caller there, Promotion asked, Routed from, Routed to)
    {
        var mayPull = there.MayPull && x.Caller.MayPull;
        var areThere = from.Repository is not null && to.Repository is not null;
        if (mayPull && x.Caller.Rights.HasFlag(AccessActions.Push) && !x.Listener.PullOnly && areThere) return false;
        const string PullOnly = "this address accepts pulls only; promote through another address of this gateway";
        var unknown = there.MayPull && from.Repository is not null ? asked.To : asked.From;
        if (x.Identity is Identity.Anonymous && !(mayPull && x.Caller.MayPush)) await x.ChallengeAsync(RegistryFace.LogIn);
        else if (x.Listener.PullOnly) await x.FailAsync(RegistryErrorCode.DENIED, PullOnly);
        else if (mayPull && !x.Caller.MayPush)
            await x.FailAsync(RegistryErrorCode.DENIED, $"{x.Caller.Actor} is not allowed to push to repository {asked.To}");
        else await x.FailAsync(RegistryErrorCode.NAME_UNKNOWN, $"repository {unknown} is not known here");
        return true;
    }

    internal sealed record Promotion(RepositoryName From, Reference What, RepositoryName To, TagName Tag);

    internal static Promotion? Read(byte[] body)
    {
        try
        {
            using var document = JsonDocument.Parse(body, Strict);
            var root = document.RootElement;
            return root.ValueKind == JsonValueKind.Object && root.EnumerateObject().Count() == 2
                && WrittenReference.Parse(root.GetProperty("from").GetString() ?? "") is { What: { } what } from
                && WrittenReference.Parse(root.GetProperty("to").GetString() ?? "") is { What: { IsDigest: false } tag } to
                ? new(from.Name, what, to.Name, tag.Tag)
                : null;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return null;
        }
    }
}
