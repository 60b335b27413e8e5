using System.Text.Json;
using Gateway.Access;
using Gateway.Repositories;
using Gateway.Storage;
using static Microsoft.AspNetCore.Http.StatusCodes;

namespace Gateway.Registry;

/// <summary>Lists of names: the tags of a repository (distribution-spec, end-8), and the catalog.</summary>
internal static class Lists
{
    public static async Task TagsAsync(Exchange x)
    {
        var wanted = x.Target.Query.Count ?? Paging.MaxCount;
        // A page of 0 entries is requested too, so that an unknown repository is still answered 404.
        var answer = await x.Repository.TagsAsync(x.Caller, x.Target.Query.Last, Math.Max(1, wanted), x.Aborted);
        if (answer is not Answer<Page<TagName>>.Found { Value: var page } found)
        {
            await x.RefuseAsync(answer, RegistryErrorCode.NAME_UNKNOWN);
            return;
        }

        x.Note(found);
        await WriteAsync(x, "tags", [.. page.Items.Take(wanted).Select(tag => tag.ToString())], page.More);
    }

    /// <summary>The repositories of which the caller could pull something.</summary>
    public static async Task CatalogAsync(Exchange x)
    {
        var wanted = x.Target.Query.Count ?? Paging.MaxCount;
        var (page, warnings) = wanted == 0
            ? (new([], More: false), [])
            : await x.Snapshot.Router.CatalogAsync(CallerOf, x.Target.Query.Last, wanted, x.Aborted);
        // Callers without rights must not learn which registries are behind the gateway.
        if (x.Snapshot.Access.IsOpen || (x.Identity is Identity.Known known && x.Snapshot.Access.IsNamed(known)))
        {
            foreach (var warning in warnings) Warnings.Add(x.Response.Headers, warning);
        }
        await WriteAsync(x, "repositories", [.. page.Items.Select(name => name.ToString())], page.More);

        Caller CallerOf(RepositoryName name) => x.Snapshot.Access.For(x.Identity, name);
    }

    private static Task WriteAsync(Exchange x, string property, string[] items, bool more)
    {
        // A page of the catalog can end before it has a name. The next page continues with what this one has found.
        if (more && (items.Length > 0 || x.Target.Route == Route.Catalog))
            x.Response.Headers.Link = Paging.NextLink(x.Target, items.Length > 0 ? items[^1] : x.Target.Query.Last ?? "");
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (x.Target.Route == Route.Tags) json.WriteString("name", x.Target.Repository.Value);
            json.WriteStartArray(property);
            foreach (var item in items) json.WriteStringValue(item);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return x.WriteAsync(Status200OK, "application/json", buffer.ToArray());
    }
}
