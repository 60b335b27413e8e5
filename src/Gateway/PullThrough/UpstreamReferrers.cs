using System.Text;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.PullThrough;

/// <summary>
/// The referrers of a manifest: the upstream's list, from its API or the fallback tag, is added to the cached list, so that signatures are
/// found when the upstream is down.
/// </summary>
/// <param name="limits">The policy's limits for a document.</param>
internal sealed class UpstreamReferrers(
    StoredRepository stored, UpstreamRepository source, UpstreamManifests manifests, ManifestLimits limits, TimeProvider clock,
    ILogger logger)
{
    // Pages of one list, each at most 4 MiB; IBacking.MaxReferrers is reached earlier.
    private const int MaxPages = 16;

    // Entries of a fallback tag that are read again; podman's library processes no more either (container-libs, pull request 1111).
    private const int MaxFallback = 64;

    // While the rate budget is low. Chosen: as long as a tag is fresh by default; shorter if a signature may follow soon.
    private static readonly TimeSpan Positive = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Negative = TimeSpan.FromSeconds(30);

    // An upstream that is upgraded gets its first request for the new API after this time. Chosen.
    private static readonly TimeSpan ApiAbsentFor = TimeSpan.FromMinutes(5);

    // If only the reserve of a rate limit remains: 50 minutes, or five for an empty list.
    private const double MostStretch = 10;

    private readonly SingleFlight<Digest, Said> _asking = new();

    // What the upstream said last. It stays longer than it is fresh, because the next request can be conditional on it.
    private readonly ExpiringMap<Digest, Said> _known = new(4096, clock);

    // The list repeats the annotations of every referrer. The policy's limit applies to each referrer by itself.
    private readonly ManifestLimits _ofList = limits with
    {
        MaxDescriptors = Math.Max(limits.MaxDescriptors, IBacking.MaxReferrers), MaxAnnotationBytes = limits.MaxBytes,
    };

    /// <summary>How the upstream answered. The entries of its list are stored in the repository.</summary>
    /// <param name="Failure">Null if the upstream answered.</param>
    /// <param name="Listed">The number of entries.</param>
    private sealed record Said(UpstreamException? Failure, int Listed = 0)
    {
        /// <summary>When the upstream answered, or failed.</summary>
        public DateTimeOffset At { get; init; }

        /// <summary>The ETag of a list of one page; null for none.</summary>
        public string? ETag { get; init; }

        /// <summary>What the fallback tag was bound to, when the upstream had no referrers API; empty otherwise.</summary>
        public Digest Fallback { get; init; }

        /// <summary>When the upstream last answered that it has no referrers API; null when it has one.</summary>
        public DateTimeOffset? NoApiAt { get; init; }
    }

    public async ValueTask<Result<IReadOnlyList<Descriptor>>> ListAsync(Digest subject, CancellationToken cancellationToken)
    {
        var said = KnownOf(subject);
        var isKnown = said is not null;
        var joined = false;
        if (!isKnown)
        {
            (var asking, joined) = _asking.Run(subject, () => new(KnownOf(subject)), () => AskAsync(subject));
            said = ListedReferrers.IsStored(stored, subject)
                ? await WaitBrieflyAsync(subject, asking, cancellationToken)
                : await asking.WaitAsync(cancellationToken);
        }
        var kept = await stored.ReferrersAsync(subject, cancellationToken);
        var handling = HandlingOf(isKnown, joined, said!);
        PullThroughMetrics.Request(
            source.Key, "referrers", said!.Failure is not null ? "stale" : isKnown ? "hit" : joined ? "coalesced" : "miss");
        return (kept, said.Failure) switch
        {
            (Result<IReadOnlyList<Descriptor>>.Found { Value.Count: > 0 } found, _) => found with { Handling = handling },
            // "Unavailable" must not look like "none": a signature may exist.
            (_, { } failure) => UpstreamAnswers.Failed<IReadOnlyList<Descriptor>>(source, failure),
            _ => new Result<IReadOnlyList<Descriptor>>.Found([], handling),
        };
    }

    private Said? KnownOf(Digest subject) => LastOf(subject) is { } said && AgeOf(said.At) < LifetimeOf(said) ? said : null;

    // The stored list may have been evicted or purged since.
    private Said? LastOf(Digest subject) =>
        _known.TryGet(subject, out var said) && (said.Listed == 0 || ListedReferrers.IsStored(stored, subject)) ? said : null;

    // Absolute: the clock may have been set back.
    private TimeSpan AgeOf(DateTimeOffset moment) => (clock.GetUtcNow() - moment).Duration();

    private void Remember(Digest subject, Said said) => _known.Set(subject, said, Positive * MostStretch);

    /// <summary>A list is stored, so the client does not wait long for a newer one; the request goes on in the background.</summary>
    private async Task<Said> WaitBrieflyAsync(Digest subject, Task<Said> asking, CancellationToken cancellationToken)
    {
        try
        {
            return await asking.WaitAsync(TagRevalidation.StaleDeadline, clock, cancellationToken);
        }
        catch (TimeoutException e)
        {
            var why = $"upstream {source.Key} did not answer within {TagRevalidation.StaleDeadline.TotalSeconds:0} s";
            var silent = (LastOf(subject) ?? new(null)) with
            {
                Failure = new(UpstreamFailure.Unavailable, why, inner: e), At = clock.GetUtcNow(),
            };
            Remember(subject, silent);
            return silent;
        }
    }

    private CacheHandling HandlingOf(bool isKnown, bool joined, Said said) => new()
    {
        Upstream = source.Key,
        IsHit = isKnown || said.Failure is not null,
        Forward = said.Failure is not null ? ForwardReason.Stale : isKnown ? ForwardReason.None : ForwardReason.Absent,
        UpstreamStatus = said.Failure?.Status,
        Collapsed = joined,
        Incomplete = said.Failure?.Message,
        Notice = said.Failure is { } failure ? $"stale: {failure.Message}" : null,
    };

    private async Task<Said> AskAsync(Digest subject)
    {
        var last = LastOf(subject) ?? new Said(null);
        Said said;
        try
        {
            said = await ReadAsync(subject, last);
        }
        catch (UpstreamException e)
        {
            Log.ListNotAnswered(logger, source.Key, source.Name, $"referrers of {subject}", e.Message);
            // A refused account was not told whether referrers exist.
            said = last with
            {
                Failure = e.IsOfAccount ? new(UpstreamFailure.Unavailable, e.Message, status: e.Status)
                    : e.Failure == UpstreamFailure.Unauthorized ? null
                    : e,
            };
        }
        said = said with { At = clock.GetUtcNow() };
        Remember(subject, said);
        return said;
    }

    /// <summary>How long an answer is used without another request.</summary>
    private TimeSpan LifetimeOf(Said said)
    {
        if (said.Failure is not null) return UpstreamAnswers.PauseAfter(said.Failure);
        var budget = source.RateLimit;
        if (Freshness.IsAmple(budget)) return Freshness.OfEvidence;
        return (said.Listed > 0 ? Positive : Negative) * Math.Min(budget?.Stretch ?? MostStretch, MostStretch);
    }

    /// <summary>
    /// Asks the API, or for the fallback tag where there is none. An unchanged list costs one request and is not read again.
    /// </summary>
    private async Task<Said> ReadAsync(Digest subject, Said last)
    {
        if (last.NoApiAt is not { } absent || AgeOf(absent) >= ApiAbsentFor)
        {
            if (await ReadApiAsync(subject, last) is { } said) return said;
            last = new(null, last.Listed) { At = last.At, Fallback = last.Fallback, NoApiAt = clock.GetUtcNow() };
        }
        return await ReadFallbackAsync(subject, last);
    }

    private async Task StoreListedAsync(Digest subject, List<Descriptor> listed)
    {
        try
        {
            await ListedReferrers.AddAsync(stored, subject, listed);
        }
        catch (StoreReadOnlyException e)
        {
            throw new UpstreamException(
                UpstreamFailure.Unavailable, $"the referrers of {subject} were received but cannot be stored: {e.Message}", inner: e);
        }
    }

    /// <summary>Null if the upstream has no referrers API. Many such upstreams answer 401, 403, 405 or an HTML page.</summary>
    private async Task<Said?> ReadApiAsync(Digest subject, Said last)
    {
        List<Descriptor> all = [];
        var (query, etag) = ((string?)null, (string?)null);
        for (var page = 0; page < MaxPages && all.Count < IBacking.MaxReferrers; page++)
        {
            UpstreamResponse response;
            try
            {
                response = await source.GetReferrersAsync(subject, query, page == 0 ? last.ETag : null, CancellationToken.None);
            }
            catch (UpstreamException e) when (page == 0 && e.IsOfRequest)
            {
                return null;
            }
            await using (response)
            {
                if (page == 0 && response.Status == 304 && last.ETag is not null) return last with { Failure = null };
                if (response.Status != 200)
                    return page == 0 ? null : throw source.Misbehaved($"answered {response.Status} to page {page + 1} of referrers");
                if (await ReadPageAsync(response, subject) is not { } descriptors)
                {
                    if (page == 0) return null;
                    break;
                }
                all.AddRange(descriptors.Take(IBacking.MaxReferrers - all.Count));
                query = response.NextQuery;
                etag = page == 0 && query is null ? response.ETag : null;
                if (query is null) break;
            }
        }
        await StoreListedAsync(subject, all);
        return new(null, all.Count) { ETag = etag };
    }

    private async Task<IEnumerable<Descriptor>?> ReadPageAsync(UpstreamResponse response, Digest subject)
    {
        try
        {
            var bytes = await UpstreamDocument.ReadListAsync(response, limits.MaxBytes, clock);
            PullThroughMetrics.Fetched(source.Key, bytes.Length);
            var (list, problem) = ManifestReader.Read(bytes, UpstreamDocument.ManifestTypeOf(response), _ofList);
            // A list beyond the limits does not mean that there is no API.
            if (problem is not null && ProblemCodes.IsLimit(problem.Code))
                throw source.Misbehaved($"referrers of {subject}: {problem.Code}: {problem.Message}");
            return list is { IsIndex: true } ? list.Children.Where(d => d.Digest != subject && IsWithinLimits(d)) : null;
        }
        catch (IOException e)
        {
            throw new UpstreamException(
                UpstreamFailure.Unavailable, $"upstream {source.Key} cut the referrers of {subject} short: {e.Message}", inner: e);
        }
        catch (InvalidDataException e)
        {
            throw source.Misbehaved($"referrers of {subject}: {e.Message}");
        }
    }

    private bool IsWithinLimits(Descriptor referrer) =>
        referrer.Annotations.Sum(a => (long)Encoding.UTF8.GetByteCount(a.Key) + Encoding.UTF8.GetByteCount(a.Value))
        <= limits.MaxAnnotationBytes;

    // Entries of the index are not reliable (cosign 3.1 writes the config's type instead of the artifact's). Each manifest itself states
    // its type and its subject.
    private async Task<Said> ReadFallbackAsync(Digest subject, Said last)
    {
        var none = last with { Failure = null, Listed = 0, Fallback = default };
        var tag = EvidenceTag.BareOf(subject);
        // The first request gets the index at once, if there is one.
        var bound = last.At == default ? await manifests.ReadTagAsync(tag) : await manifests.ResolveTagAsync(tag);
        // GitLab takes such a tag for the digest itself (oras-project/oras-go#1396): the answer is the subject, which is no list.
        if (bound is not UpstreamTag.Bound(var digest) || digest == subject) return none;
        if (digest == last.Fallback) return last with { Failure = null };
        if (await manifests.ReadAsync(digest, CancellationToken.None)
            is not Result<StoredManifest>.Found { Value.Manifest: { IsIndex: true } index })
            return none;
        List<Descriptor> all = [];
        foreach (var entry in index.Children.Take(MaxFallback))
        {
            if (stored.ReadManifest(entry.Digest) is { } here)
            {
                if (here.Manifest.Subject?.Digest == subject) all.Add(here.AsReferrer());
                continue;
            }
            switch (await manifests.ReadAsync(entry.Digest, CancellationToken.None))
            {
                case Result<StoredManifest>.Found { Value: var read } when read.Manifest.Subject?.Digest == subject:
                    all.Add(read.AsReferrer());
                    break;
                case Result<StoredManifest>.Unavailable down:
                    throw new UpstreamException(UpstreamFailure.Unavailable, down.Why, down.RetryAfter);
            }
        }
        await StoreListedAsync(subject, all);
        return last with { Failure = null, Listed = all.Count, Fallback = digest };
    }
}
