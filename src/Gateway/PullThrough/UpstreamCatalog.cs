using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Configuration;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// The names of an upstream's repositories (Docker Registry HTTP API v2, "Catalog"). The list is read whole, because registries order it
/// differently, by one reader at a time. It is cached for a short time.
/// </summary>
internal sealed partial class UpstreamCatalog(UpstreamOptions options, IUpstreamRegistry upstream, TimeProvider clock, ILogger logger)
{
    // Of one page; 1000 names of 255 characters are a quarter of it.
    private const int MaxBytes = 1 << 20;

    // Chosen: enough for registries that return fewer names than requested, such as Quay (100).
    private const int MaxPages = 100;

    // Chosen: one page of the gateway's own catalog may have to check the caller's rights to each name.
    private const int MaxNames = 20_000;

    // The largest page of CNCF distribution, unless it is configured otherwise (catalog.maxentries).
    private const int PageSize = 1000;

    // For all pages. Chosen: clients begin to give up at 30 s.
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    // Chosen: also if tags are revalidated each time, a list of a hundred pages must not be.
    private static readonly TimeSpan ShortestLife = TimeSpan.FromSeconds(5);

    private readonly SingleFlight<string, Listed> _reading = new();
    private readonly ExpiringMap<string, Listed> _known = new(1, clock);
    private volatile RepositoryName[] _last = [];

    /// <param name="Names">In bytewise order.</param>
    /// <param name="Warning">Why the list may be incomplete; null if it is complete.</param>
    private sealed record Listed(RepositoryName[] Names, string? Warning);

    /// <summary>The upstream's list; if the upstream does not answer, its last list.</summary>
    public async Task<(IReadOnlyList<RepositoryName> Names, string? Warning)> ReadAsync(CancellationToken cancellationToken)
    {
        if (!_known.TryGet("", out var listed))
        {
            var reading = _reading.Run("", () => new(_known.TryGet("", out var lately) ? lately : null), AskAsync).Result;
            listed = await reading.WaitAsync(cancellationToken);
        }
        return (listed.Names, listed.Warning);
    }

    private async Task<Listed> AskAsync()
    {
        var names = new HashSet<RepositoryName>();
        Listed listed;
        var life = Freshness.OfAbsence(options);
        try
        {
            var isCut = await ReadPagesAsync(names);
            _last = InOrder(names);
            listed = new(_last, isCut ? $"upstream {options.Key} has more repositories than the gateway reads" : null);
        }
        catch (UpstreamException e)
        {
            Log.CatalogNotAnswered(logger, options.Key, e.Message);
            // The upstream refused: the gateway may no longer see the names, so the last list is not shown.
            var isDown = e.Failure is UpstreamFailure.Unavailable or UpstreamFailure.RateLimited;
            _last = isDown ? InOrder(names.Union(_last).Take(MaxNames)) : [];
            listed = new(_last, $"upstream {options.Key} does not list its repositories {(isDown ? "now" : "to this gateway")}");
            if (isDown) life = UpstreamAnswers.PauseAfter(e);
        }
        _known.Set("", listed, life > ShortestLife ? life : ShortestLife);
        return listed;
    }

    /// <summary>Whether the upstream has more names than were read.</summary>
    private async Task<bool> ReadPagesAsync(HashSet<RepositoryName> names)
    {
        using var deadline = new CancellationTokenSource(Deadline, clock);
        try
        {
            string? query = $"n={PageSize}";
            for (var page = 0; page < MaxPages && names.Count < MaxNames && query is not null; page++)
                query = await ReadPageAsync(query, names, deadline.Token);
            return query is not null;
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or HttpRequestException)
        {
            var why = deadline.IsCancellationRequested ? $"was not read within {Deadline.TotalSeconds:0} s" : $"was cut short: {e.Message}";
            throw new UpstreamException(
                UpstreamFailure.Unavailable, $"the catalog of upstream {options.Key} {why}", inner: e);
        }
    }

    /// <summary>The query of the next page; null if this page is the last.</summary>
    private async Task<string?> ReadPageAsync(string query, HashSet<RepositoryName> names, CancellationToken cancellationToken)
    {
        var request = new UpstreamRequest(HttpMethod.Get, UpstreamNoun.Catalog, default, "") { Query = query, IsOptional = true };
        await using var response = await upstream.SendAsync(request, cancellationToken);
        if (response.Status != 200) throw Misbehaved($"did not list its catalog: expected 200, got {response.Status}");
        try
        {
            var bytes = await UpstreamDocument.ReadListAsync(response, MaxBytes, clock).WaitAsync(cancellationToken);
            foreach (var text in JsonSerializer.Deserialize(bytes, CatalogJson.Default.CatalogPage)?.Repositories ?? [])
            {
                if (names.Count < MaxNames && RepositoryName.TryParse(text, out var name)) names.Add(name);
            }
        }
        catch (Exception e) when (e is JsonException or InvalidDataException)
        {
            throw Misbehaved($"sent a catalog that cannot be read: {e.Message}");
        }
        return response.NextQuery;
    }

    private static RepositoryName[] InOrder(IEnumerable<RepositoryName> names) => [.. names.OrderBy(n => n.Value, StringComparer.Ordinal)];

    private UpstreamException Misbehaved(string what) =>
        new(UpstreamFailure.Misbehaving, $"upstream {options.Key} {what}");

    private sealed record CatalogPage(string[]? Repositories);

    [JsonSerializable(typeof(CatalogPage))]
    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    private sealed partial class CatalogJson : JsonSerializerContext;
}
