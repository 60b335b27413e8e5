using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Scripted;

/// <summary>Answers lists in pages: a subject's referrers, tags, and the catalog.</summary>
internal sealed class Lists(ScriptedUpstream owner, Content content)
{
    public async Task SendReferrersAsync(HttpContext context, ReceivedRequest received, BodySender sender)
    {
        IEnumerable<JsonObject> all = content.ReferrersOf(received.Name, received.Reference);
        if (context.Request.Query["artifactType"] is [{ Length: > 0 } type])
        {
            all = all.Where(d => (string?)d["artifactType"] == type);
            context.Response.Headers["OCI-Filters-Applied"] = "artifactType";
        }
        var page = Page(context, [.. all], last => int.Parse(last, CultureInfo.InvariantCulture), (_, at) => $"{at}");
        await sender.SendAsync(JsonSerializer.SerializeToUtf8Bytes(Content.Index(page)), Content.IndexType, null, ranges: false);
    }

    public async Task SendTagsAsync(HttpContext context, ReceivedRequest received, BodySender sender)
    {
        string[] tags = [.. content.Tags.Keys.Where(k => k.Name == received.Name).Select(k => k.Tag).Order(StringComparer.Ordinal)];
        var page = Page(context, tags, last => tags.Count(t => string.CompareOrdinal(t, last) <= 0), (tag, _) => tag);
        var list = new { name = received.Name, tags = page };
        await sender.SendAsync(JsonSerializer.SerializeToUtf8Bytes(list), "application/json", null, ranges: false);
    }

    public async Task SendCatalogAsync(HttpContext context, BodySender sender)
    {
        string[] names = [.. content.Manifests.Keys.Select(k => k.Name).Distinct().Order(StringComparer.Ordinal)];
        var page = Page(context, names, last => names.Count(n => string.CompareOrdinal(n, last) <= 0), (name, _) => name, owner.PageSize);
        await sender.SendAsync(JsonSerializer.SerializeToUtf8Bytes(new { repositories = page }), "application/json", null, ranges: false);
    }

    private T[] Page<T>(HttpContext context, T[] all, Func<string, int> after, Func<T, int, string> name, int most = int.MaxValue)
    {
        var start = context.Request.Query["last"] is [{ } last] ? after(last) : 0;
        var size = context.Request.Query["n"] is [{ } n] ? int.Parse(n, CultureInfo.InvariantCulture) : owner.PageSize;
        size = Math.Min(size, most);
        T[] page = [.. all.Skip(start).Take(size)];
        if (start + page.Length < all.Length && page.Length > 0)
        {
            var query = $"n={size}&last={Uri.EscapeDataString(name(page[^1], start + page.Length))}";
            context.Response.Headers.Link = $"<{context.Request.Path}?{query}>; rel=\"next\"";
        }
        return page;
    }
}
