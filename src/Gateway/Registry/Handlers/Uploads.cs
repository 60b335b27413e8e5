using Gateway.Configuration;
using Gateway.Repositories;
using Gateway.Storage;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>Begins uploads (distribution-spec, end-4, end-11): a session, a blob in one request, or a mount.</summary>
internal static class Uploads
{
    public static async Task PostAsync(Exchange x)
    {
        if (await RequestBody.RefuseEncodedAsync(x)) return;
        var query = x.Target.Query;
        if (!query.Mount.IsEmpty && await MountAsync(x, query.Mount)) return;

        var algorithm = query.Algorithm ?? (query.Mount.IsEmpty ? query.Digest.Algorithm : query.Mount.Algorithm);
        var answer = await RegistryFace.WriteAsync<Upload>(
            x, AccessActions.Push, async () => await x.Repository.OpenUploadAsync(x.Caller, algorithm, x.Aborted));
        if (answer is not Answer<Upload>.Found { Value: var upload } found)
        {
            if (answer is not null) await x.RefuseAsync(answer, RegistryErrorCode.NAME_UNKNOWN);
            return;
        }

        await using var held = upload;
        x.Note(found);
        if (query.Digest.IsEmpty) Sessions.Continue(x, upload, Status202Accepted);
        else await PutWholeAsync(x, upload, query.Digest);
    }

    // False, for any reason, means "open a session" (distribution-spec, "Mounting a blob from another repository"): the answer must not
    // reveal what another repository has.
    private static async Task<bool> MountAsync(Exchange x, Digest digest)
    {
        var router = x.Snapshot.Router;
        var sources = x.Target.Query.From is { } from
            ? from == default ? [] : [router.Route(x.Host, x.Target.Query.Namespace, from, x.Shown)]
            : router.HoldersOf(digest);
        foreach (var source in sources)
        {
            if (source.Repository is null) continue;
            var there = x.CallerOf(source.CanonicalName);
            if (!await x.Repository.MountAsync(x.Caller, digest, source.Repository, there, x.Aborted)) continue;
            Sessions.Created(x, digest);
            return true;
        }
        return false;
    }

    // No client knows the id of the session, so every outcome but a stored blob ends it.
    private static async Task PutWholeAsync(Exchange x, Upload upload, Digest digest)
    {
        var completed = false;
        try
        {
            await Sessions.AppendAsync(x, upload);
            completed = await Sessions.CompleteAsync(x, upload, digest);
        }
        finally
        {
            if (!completed) await upload.CancelAsync();
        }
    }
}
