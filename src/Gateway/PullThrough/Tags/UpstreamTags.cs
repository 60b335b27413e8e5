using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>The tags of an upstream's repository, page by page; cached tags if the upstream does not answer.</summary>
/// <param name="lists">Lists that were read whole, for all repositories together.</param>
internal sealed partial class UpstreamTags(
    StoredRepository stored, UpstreamRepository source, ExpiringMap<UpstreamTags, WholeTagList> lists, TimeProvider clock, ILogger logger)
{
    // Of one page; 100,000 tags of 40 characters.
    private const int MaxBytes = 8 << 20;

    // Pages that are read from an upstream that does not support `last`, or orders in its own way.
    private const int MaxPages = 100;

    private const int MaxTags = 100_000;

    // Of one list, all tags together: 8 MiB of memory, as much as one page may have. A tag has at most 128 characters (distribution-spec,
    // "Pulling manifests"); longer texts are not tags.
    private const int MaxCharacters = 4 << 20;

    // distribution-spec, "Listing Tags" states no largest page; docker.io and others cut at 1000 or below.
    private const int PageSize = 1000;

    private readonly SingleFlight<string, WholeTagList?> _reading = new();

    /// <summary>Forgets the list, because a tag was added or removed.</summary>
    public void Forget() => lists.Remove(this);

    public async ValueTask<Result<Page<TagName>>> AfterAsync(string? last, int count, CancellationToken cancellationToken)
    {
        try
        {
            var (page, isCut) = await AskAsync(last, count, cancellationToken);
            PullThroughMetrics.Request(source.Key, "tags", "miss");
            var asked = new CacheHandling
            {
                Upstream = source.Key, Forward = ForwardReason.List, UpstreamStatus = page is null ? 404 : 200,
            };
            if (isCut) asked = asked with { Notice = $"upstream {source.Key} has more tags than the gateway reads; the list is cut" };
            return page is null ? new Result<Page<TagName>>.Absent(asked) : new Result<Page<TagName>>.Found(page, asked);
        }
        catch (UpstreamException e)
        {
            Log.ListNotAnswered(logger, source.Key, source.Name, "tags", e.Message);
            return e is { Failure: UpstreamFailure.Unauthorized, IsOfAccount: false } || !source.MayShowCached
                ? UpstreamAnswers.Failed<Page<TagName>>(source, e)
                : await KeptAsync(last, count, e, cancellationToken);
        }
    }

    private async ValueTask<Result<Page<TagName>>> KeptAsync(
        string? last, int count, UpstreamException failure, CancellationToken cancellationToken)
    {
        if (await stored.TagsAfterAsync(last, count, cancellationToken) is not Result<Page<TagName>>.Found kept)
            return UpstreamAnswers.Failed<Page<TagName>>(source, failure);
        PullThroughMetrics.Request(source.Key, "tags", "stale");
        var warning = $"only cached tags are listed: {failure.Message}".Replace('"', '\'');
        var handling = new CacheHandling
        {
            Upstream = source.Key, IsHit = true, Forward = ForwardReason.Stale, UpstreamStatus = failure.Status,
        };
        return kept with { Handling = handling with { Notice = warning } };
    }

    private async Task<(Page<TagName>? Page, bool IsCut)> AskAsync(string? last, int count, CancellationToken cancellationToken)
    {
        if (!lists.TryGet(this, out var whole))
        {
            var (page, isAbsent) = await ReadAfterAsync(last, count, cancellationToken);
            if (page is not null || isAbsent) return (page, false);
            var reading = _reading.Run("", () => new(lists.TryGet(this, out var lately) ? lately : null), ReadWholeAsync).Result;
            whole = await reading.WaitAsync(cancellationToken);
            if (whole is null) return (null, false);
        }
        return (Cut(whole.Tags, last, count, more: false), whole.IsCut);
    }

    /// <summary>One page, as the upstream cuts it. Null if the repository does not exist, or if only the whole list tells.</summary>
    private async Task<(Page<TagName>? Page, bool IsAbsent)> ReadAfterAsync(string? last, int count, CancellationToken cancellationToken)
    {
        var query = $"n={Math.Min(count, PageSize)}";
        if (last is not null) query += $"&last={Uri.EscapeDataString(last)}";
        try
        {
            if (await ReadPageAsync(query, cancellationToken) is not var (tags, next)) return (null, true);
            if (!IsInOrder(tags) || !IsAfter(tags, next)) return (null, false);
            // If a page has no tag after the last one and is not the last page, it does not tell where to continue.
            var page = Cut(tags, last, count, next is not null);
            return (page.Items.Count > 0 || !page.More ? page : null, false);
        }
        // ECR takes only the `last` of its own links, and answers 405 to a tag (CodesWhat/drydock#927).
        catch (UpstreamException e) when (last is not null && e is { Failure: UpstreamFailure.Misbehaving, IsOfRequest: true })
        {
            return (null, false);
        }
    }

    /// <summary>Whether the next page begins after the last tag of this one, so that a client can continue after any tag.</summary>
    private static bool IsAfter(string[] tags, string? next) =>
        next is null || (tags is [.., var end] && next.Contains($"last={end}", StringComparison.Ordinal));

    /// <summary>Null if the repository does not exist.</summary>
    private async Task<WholeTagList?> ReadWholeAsync()
    {
        HashSet<string> all = new(StringComparer.Ordinal);
        string? query = $"n={PageSize}";
        var (characters, isFull) = (0L, false);
        for (var page = 0; page < MaxPages && !isFull && query is not null; page++)
        {
            if (await ReadPageAsync(query, CancellationToken.None) is not var (tags, next)) return null;
            var before = all.Count;
            foreach (var tag in tags)
            {
                isFull = all.Count == MaxTags || characters + tag.Length > MaxCharacters;
                if (isFull) break;
                if (all.Add(tag)) characters += tag.Length;
            }
            query = next;
            if (next is null || all.Count > before || tags.Length == 0) continue;
            // The upstream repeats its pages (cloudflare/serverless-registry#75). If they are not full, there is no more than them.
            if (tags.Length < PageSize) query = null;
            break;
        }
        var whole = new WholeTagList([.. all.Order(StringComparer.Ordinal)], IsCut: isFull || query is not null);
        if (whole.IsCut)
        {
            Log.TagsCut(logger, source.Key, source.Name, whole.Tags.Length);
            PullThroughMetrics.ListCut(source.Key);
        }
        lists.Set(this, whole, Freshness.OfAbsence(source.Options));
        return whole;
    }

    private async Task<(string[] Tags, string? Next)?> ReadPageAsync(string query, CancellationToken cancellationToken)
    {
        await using var response = await source.GetTagsAsync(query, cancellationToken);
        if (response.Status == 404) return null;
        if (response.Status != 200) throw source.Misbehaved($"expected 200 for its tags list, got {response.Status}");
        try
        {
            var bytes = await UpstreamDocument.ReadListAsync(response, MaxBytes, clock);
            var list = JsonSerializer.Deserialize(bytes, Json.Default.TagsList);
            return ([.. list?.Tags?.Where(tag => TagName.TryParse(tag, out _)) ?? []], response.NextQuery);
        }
        catch (Exception e) when (e is JsonException or InvalidDataException)
        {
            throw source.Misbehaved($"its tags list cannot be read: {e.Message}");
        }
        catch (IOException e)
        {
            throw new UpstreamException(
                UpstreamFailure.Unavailable, $"upstream {source.Key} cut its tags list short: {e.Message}", inner: e);
        }
    }

    // Some registries answer every request with the whole list (docker-registry 2.8), so each page is cut here too.
    private static Page<TagName> Cut(string[] tags, string? last, int count, bool more)
    {
        List<TagName> items = [];
        foreach (var text in tags)
        {
            if (last is not null && string.CompareOrdinal(text, last) <= 0) continue;
            if (!TagName.TryParse(text, out var tag)) continue;
            if (items.Count == count) return new(items, More: true);
            items.Add(tag);
        }
        return new(items, more);
    }

    private static bool IsInOrder(string[] tags)
    {
        for (var i = 1; i < tags.Length; i++)
        {
            if (string.CompareOrdinal(tags[i - 1], tags[i]) > 0) return false;
        }
        return true;
    }

    /// <summary>The document of distribution-spec, "Listing Tags".</summary>
    private sealed record TagsList(string[]? Tags);

    [JsonSerializable(typeof(TagsList))]
    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    private sealed partial class Json : JsonSerializerContext;
}

/// <summary>Every tag of a repository, as its upstream lists them.</summary>
/// <param name="Tags">In bytewise order.</param>
/// <param name="IsCut">Whether the upstream has more tags than the gateway reads.</param>
internal sealed record WholeTagList(string[] Tags, bool IsCut);
