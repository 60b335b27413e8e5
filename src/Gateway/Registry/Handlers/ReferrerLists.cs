using System.Text.Json;
using Gateway.Repositories;
using Gateway.Storage;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>
/// Referrers (distribution-spec, end-12): always 200 with an index, which is empty without referrers, if the caller can pull.
/// </summary>
internal static class ReferrerLists
{
    public static async Task GetAsync(Exchange x)
    {
        var query = x.Target.Query;
        if (query.Last is not null && !Digest.TryParse(query.Last, out _))
        {
            await x.FailAsync(RegistryErrorCode.DIGEST_INVALID, "last must be the digest of the last referrer that was listed");
            return;
        }

        var answer = await x.Repository.ReferrersAsync(x.Caller, x.Target.Digest, query.ArtifactType, query.Last, x.Aborted);
        if (answer is not Answer<ReferrersPage>.Found { Value: var page } found)
        {
            await x.RefuseAsync(answer, RegistryErrorCode.NAME_UNKNOWN);
            return;
        }

        x.Note(found);
        if (query.ArtifactType is not null) x.Response.Headers[RegistryHeaders.OciFiltersApplied] = "artifactType";
        if (page is { More: true, Items: [.., var last] }) x.Response.Headers.Link = Paging.NextLink(x.Target, last.Digest.ToString());
        await x.WriteAsync(Status200OK, MediaTypes.OciIndex, ToIndex(page.Items));
    }

    private static byte[] ToIndex(IReadOnlyList<Descriptor> referrers)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteNumber("schemaVersion", 2);
            json.WriteString("mediaType", MediaTypes.OciIndex);
            json.WriteStartArray("manifests");
            // An empty type is none (distribution-spec, "Listing Referrers").
            foreach (var each in referrers) ReferrerFile.Write(json, each.ArtifactType is "" ? each with { ArtifactType = null } : each);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return buffer.ToArray();
    }
}
