using System.Text.Json;
using System.Text.Json.Serialization;
using Gateway.Configuration;
using Gateway.Oci;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// The names of an upstream's repositories (Docker Registry HTTP API v2, "Catalog"): read whole, for registries order them in their own
/// ways, by one reader at a time, and kept for a moment.
/// </summary>
internal sealed partial class UpstreamCatalog(UpstreamOptions options, IUpstreamRegistry upstream, TimeProvider clock, ILogger logger)
{
    // Of one page; 1000 names of 255 characters are a quarter of it.
    private const int MaxBytes = 1 << 20;

    // Chosen: where a registry gives fewer names at a time than asked for, as Quay does (100).
    private const int MaxPages = 100;

    // Chosen: the rights to each may have to be looked at for one page of ours.
    private const int MaxNames = 20_000;

    // The most that CNCF distribution gives at a time, unless configured otherwise (catalog.maxentries).
    private const int PageSize = 1000;

    // For all pages. Chosen: clients begin to give up at 30 s.
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    // Chosen: also where tags are asked for each time, a list of a hundred pages is not.
    private static readonly TimeSpan ShortestLife = TimeSpan.FromSeconds(5);

    private readonly SingleFlight<string, Listed> _reading = new();
    private readonly ExpiringMap<string, Listed> _known = new(1, clock);
    private volatile RepositoryName[] _last = [];

    /// <param name="Names">In bytewise order.</param>
    /// <param name="Warning">Why these may not be all; null when they are.</param>
    private sealed record Listed(RepositoryName[] Names, string? Warning);

    /// <summary>What the upstream lists; when it does not answer what it listed last.</summary>
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
            listed = new(_last, isCut ? $"upstream {options.Key} has more repositories than are read" : null);
        }
        catch (UpstreamException e)
        {
            Log.CatalogNotAnswered(logger, options.Key, e.Message);
            // Who was let see them once and is no longer is shown none.
            var isDown = e.Failure is UpstreamFailure.Unavailable or UpstreamFailure.RateLimited;
            _last = isDown ? InOrder(names.Union(_last).Take(MaxNames)) : [];
            listed = new(_last, $"upstream {options.Key} does not list its repositories {(isDown ? "now" : "to us")}");
            if (isDown) life = UpstreamAnswers.PauseAfter(e);
        }
        _known.Set("", listed, life > ShortestLife ? life : ShortestLife);
        return listed;
    }

    /// <summary>Whether there are more than were read.</summary>
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
            var why = deadline.IsCancellationRequested ? $"was not read within {Deadline.TotalSeconds:0} s" : $"broke off: {e.Message}";
            throw new UpstreamException(
                UpstreamFailure.Unavailable, $"the catalog of upstream {options.Key} {why}", inner: e);
        }
    }

    /// <summary>The query of the next page; null when this is the last.</summary>
    private async Task<string?> ReadPageAsync(string query, HashSet<RepositoryName> names, CancellationToken cancellationToken)
    {
        var request = new UpstreamRequest(HttpMethod.Get, UpstreamNoun.Catalog, default, "") { Query = query, IsOptional = true };
        await using var response = await upstream.SendAsync(request, cancellationToken);
        if (response.Status != 200) throw Misbehaved($"answered {response.Status} where its catalog was asked for");
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
            throw Misbehaved($"has a catalog that cannot be read: {e.Message}");
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
