using Gateway.Configuration;
using Gateway.Repositories;
using Gateway.Storage;
using Microsoft.Net.Http.Headers;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>Manifests and indexes (distribution-spec, end-3, end-7, end-9).</summary>
internal static class Manifests
{
    /// <summary>GET and HEAD. What is stored is served; <c>Accept</c> never converts.</summary>
    public static async Task GetAsync(Exchange x)
    {
        var answer = await x.Repository.GetManifestAsync(x.Caller, x.Target.Reference, x.Aborted);
        if (x.IsHead) answer = x.Repository.BeforePush(x.Caller, answer);
        if (answer is not Answer<StoredManifest>.Found { Value: var manifest } found)
        {
            await x.RefuseAsync(answer, RegistryErrorCode.MANIFEST_UNKNOWN);
            return;
        }

        x.Note(found);
        // The requested digest is repeated: the same bytes can also be stored under a digest of another algorithm.
        var digest = x.Target.Reference.IsDigest ? x.Target.Digest : manifest.Digest;
        var headers = x.Response.Headers;
        headers[RegistryHeaders.ContentDigest] = digest.ToString();
        headers.ETag = Conditional.ETagOf(digest);
        headers.XContentTypeOptions = "nosniff";
        if (Conditional.IsKnown(x.Request.Headers.IfNoneMatch, digest)) x.Empty(Status304NotModified);
        else await x.WriteAsync(Status200OK, manifest.Manifest.MediaType, manifest.Bytes);
    }

    public static async Task PutAsync(Exchange x)
    {
        if (await RefuseHeadAsync(x)) return;
        using var receipt = RequestBody.Receive(x);
        var bytes = await RequestBody.ReadAsync(x.Request, x.Snapshot.MaxManifestBytes, receipt, x.Aborted);
        if (bytes is null)
        {
            var message = $"expected a manifest of at most {x.Snapshot.MaxManifestBytes} bytes, got more; make it smaller";
            await x.FailAsync(RegistryErrorCode.SIZE_INVALID, message, status: Status413PayloadTooLarge);
            return;
        }

        x.Record.BytesRead = bytes.Length;
        var push = new ManifestPush(x.Target.Reference, x.Target.Query.Tags, ContentType(x), bytes);
        var answer = await RegistryFace.WriteAsync<PushedManifest>(
            x, AccessActions.Push, async () => await x.Repository.PutManifestAsync(x.Caller, push, x.Aborted));
        if (answer is Answer<PushedManifest>.Found found) Created(x, found);
        else if (answer is not null) await x.RefuseAsync(answer, RegistryErrorCode.NAME_UNKNOWN);
    }

    /// <summary>Deletes by digest the manifest with every tag that is bound to it, and by tag only the tag.</summary>
    public static Task DeleteAsync(Exchange x) => DeleteAsync(
        x, async () => await x.Repository.DeleteManifestAsync(x.Caller, x.Target.Reference, x.Aborted), RegistryErrorCode.MANIFEST_UNKNOWN);

    /// <summary>Deletes a manifest, tag or blob, and notes its digest.</summary>
    /// <param name="unknown">The error for what is absent.</param>
    public static async Task DeleteAsync(Exchange x, Func<ValueTask<Answer<Digest>?>> delete, RegistryErrorCode unknown)
    {
        var answer = await RegistryFace.WriteAsync(x, AccessActions.Delete, delete);
        if (answer is Answer<Digest>.Found found)
        {
            x.Note(found);
            x.Record.Digest = found.Value.ToString();
            x.Empty(Status202Accepted);
        }
        else if (answer is not null) await x.RefuseAsync(answer, unknown);
    }

    private static void Created(Exchange x, Answer<PushedManifest>.Found found)
    {
        x.Note(found);
        var (pushed, headers) = (found.Value, x.Response.Headers);
        x.Record.Digest = pushed.Digest.ToString();
        x.Record.Tags = string.Join(' ', pushed.Tags.Concat(pushed.Promoted));
        x.Record.IsPending = found.Standing == TagStanding.Pending;
        headers.Location = Locations.Manifest(x.Target, pushed.Digest);
        headers[RegistryHeaders.ContentDigest] = pushed.Digest.ToString();
        if (!pushed.Subject.IsEmpty) headers[RegistryHeaders.OciSubject] = pushed.Subject.ToString();
        if (!pushed.Tags.IsEmpty) headers[RegistryHeaders.OciTag] = pushed.Tags.Select(tag => tag.ToString()).ToArray();
        if (!pushed.Promoted.IsEmpty) headers[RegistryHeaders.GatewayPromoted] = string.Join(", ", pushed.Promoted);
        if (pushed.IsForwarding) headers[RegistryHeaders.GatewayForward] = "pending";
        x.Empty(Status201Created);
    }

    // Refuses what can be refused before the body is read.
    private static async Task<bool> RefuseHeadAsync(Exchange x)
    {
        if (await RequestBody.RefuseEncodedAsync(x)) return true;
        var type = ContentType(x);
        if (type is null || !MediaTypes.IsManifest(type))
        {
            await x.FailAsync(
                RegistryErrorCode.UNSUPPORTED,
                $"expected Content-Type to be one of {MediaTypes.AcceptManifests}, got {(type is null ? "none" : Printable.Quote(type))}",
                status: Status415UnsupportedMediaType);
            return true;
        }
        if (x.Target.Query.Tags.IsEmpty || x.Target.Reference.IsDigest) return false;

        const string Message = "expected tag= only with a push by digest; remove tag= or push by digest";
        await x.FailAsync(RegistryErrorCode.UNSUPPORTED, Message, status: Status400BadRequest);
        return true;
    }

    // Parameters are ignored (distribution-spec, "Pushing Manifests"); a type is compared in lower case (RFC 6838 §4.2).
    private static string? ContentType(Exchange x) =>
        MediaTypeHeaderValue.TryParse(x.Request.ContentType, out var type) ? type.MediaType.ToString().ToLowerInvariant() : null;
}
