using System.Text.Json;
using Gateway.Oci;
using Gateway.Repositories;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>
/// Referrers (distribution-spec, end-12): always 200 with an index for a repository that may be read, empty where nothing refers.
/// </summary>
internal static class ReferrerLists
{
    // The size that every client must take of a manifest (distribution-spec, "Pushing Manifests": at least 4 megabytes).
    private const int MaxPageBytes = 4 * 1024 * 1024;

    public static async Task GetAsync(Exchange x)
    {
        var query = x.Target.Query;
        if (query.Last is not null && !Digest.TryParse(query.Last, out _))
        {
            await x.FailAsync(RegistryErrorCode.DIGEST_INVALID, "last must be the digest of the last referrer that was listed");
            return;
        }

        var answer = await x.Repository.ReferrersAsync(x.Asker, x.Target.Digest, query.ArtifactType, query.Last, x.Aborted);
        if (answer is not Answer<ReferrersPage>.Found { Value: var page } found)
        {
            await x.RefuseAsync(answer, RegistryErrorCode.NAME_UNKNOWN);
            return;
        }

        x.Note(found);
        var (body, written) = ToIndex(page.Items);
        if (query.ArtifactType is not null) x.Response.Headers[RegistryHeaders.OciFiltersApplied] = "artifactType";
        if (written > 0 && (page.More || written < page.Items.Count))
        {
            x.Response.Headers.Link = Paging.NextLink(x.Target, page.Items[written - 1].Digest.ToString());
        }
        await x.WriteAsync(Status200OK, MediaTypes.OciIndex, body);
    }

    /// <summary>As many descriptors as fit a page, at least one.</summary>
    internal static (byte[] Body, int Written) ToIndex(IReadOnlyList<Descriptor> referrers, int maxBytes = MaxPageBytes)
    {
        using var buffer = new MemoryStream();
        var written = 0;
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteNumber("schemaVersion", 2);
            json.WriteString("mediaType", MediaTypes.OciIndex);
            json.WriteStartArray("manifests");
            for (long last = 0; written < referrers.Count; written++)
            {
                var before = json.BytesCommitted + json.BytesPending;
                // Descriptors are much alike in size: the last one's is the guess for the next.
                if (written > 0 && before + last + EndBytes > maxBytes) break;
                Write(json, referrers[written]);
                last = json.BytesCommitted + json.BytesPending - before;
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return (buffer.ToArray(), written);
    }

    private const int EndBytes = 2;

    private static void Write(Utf8JsonWriter json, Descriptor descriptor)
    {
        json.WriteStartObject();
        json.WriteString("mediaType", descriptor.MediaType);
        json.WriteString("digest", descriptor.Digest.ToString());
        json.WriteNumber("size", descriptor.Size);
        if (!string.IsNullOrEmpty(descriptor.ArtifactType)) json.WriteString("artifactType", descriptor.ArtifactType);
        if (!descriptor.Annotations.IsEmpty)
        {
            json.WriteStartObject("annotations");
            foreach (var (key, value) in descriptor.Annotations) json.WriteString(key, value);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }
}
