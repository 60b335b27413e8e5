using System.Collections.Immutable;
using Gateway.Configuration;
using Microsoft.Extensions.Logging;

namespace Gateway.Upstream;

/// <summary>One upstream: its endpoints in their order, each behind a breaker.</summary>
internal sealed class UpstreamRegistry(
    UpstreamOptions options,
    UpstreamCluster cluster,
    UpstreamExchange exchange,
    UpstreamMetrics metrics,
    TimeProvider clock,
    ILogger logger) : IUpstreamRegistry
{
    // A caller who waited so long and left (a tag's deadline is 2 s) has found an endpoint that hangs; a shorter wait says nothing.
    private static readonly TimeSpan HangTime = TimeSpan.FromSeconds(1);

    private readonly ImmutableDictionary<Uri, Breaker> _breakers =
        options.Urls.Distinct().ToImmutableDictionary(url => url, _ => new Breaker(clock));

    private long _rateLimitRemaining = -1;

    public UpstreamOptions Options => options;

    /// <summary>Whether an endpoint may be asked now.</summary>
    public bool IsUp => _breakers.Values.Any(breaker => !breaker.IsOpen);

    /// <summary>Requests that the upstream's rate limit leaves, as it last said; null when it never did.</summary>
    public long? RateLimitRemaining => Interlocked.Read(ref _rateLimitRemaining) is >= 0 and var n ? n : null;

    public async Task<UpstreamResponse> SendAsync(UpstreamRequest request, CancellationToken cancellationToken)
    {
        UpstreamException? failed = null;
        (TimeSpan Wait, bool Limited)? soonest = null;
        foreach (var endpoint in EndpointsFor(request))
        {
            if (!_breakers[endpoint].TryEnter(request, out var wait, out var limited))
            {
                if (soonest is null || wait < soonest.Value.Wait) soonest = (wait, limited);
                continue;
            }
            try
            {
                return await SendToAsync(endpoint, request, cancellationToken);
            }
            catch (UpstreamException e) when (e.Failure is UpstreamFailure.Unavailable or UpstreamFailure.RateLimited)
            {
                Log.EndpointFailed(logger, options.Key, e.Failure, e.Message);
                failed = e;
            }
        }
        throw failed ?? LeftAlone(soonest!.Value.Wait, soonest.Value.Limited);
    }

    public void Report(Uri endpoint, bool wrong)
    {
        if (!_breakers.TryGetValue(endpoint, out var breaker)) return;
        Exclude(endpoint, breaker.BodyBroke(), wrong ? "bodies had the wrong digest" : "bodies broke off");
    }

    /// <summary>In the order written; those that a probe found dead later, and the one that failed for this content last.</summary>
    private IEnumerable<Uri> EndpointsFor(UpstreamRequest request) => options.Urls.Length == 1
        ? options.Urls
        : options.Urls.Distinct().OrderBy(url => url == request.Except ? 2 : cluster.IsIll(url) ? 1 : 0);

    private async Task<UpstreamResponse> SendToAsync(Uri endpoint, UpstreamRequest request, CancellationToken cancellationToken)
    {
        var breaker = _breakers[endpoint];
        var started = clock.GetTimestamp();
        try
        {
            var response = await exchange.SendAsync(endpoint, request, cancellationToken);
            breaker.Succeeded();
            Count(request, response.Status, started);
            if (UpstreamAnswer.RemainingOf(response.RateLimitRemaining) is { } left) Interlocked.Exchange(ref _rateLimitRemaining, left);
            return response;
        }
        catch (UpstreamException e)
        {
            Count(request, e.Status ?? 0, started);
            Judge(endpoint, breaker, request, e);
            throw;
        }
        catch
        {
            Count(request, 0, started);
            if (request.IsOptional || clock.GetElapsedTime(started) < HangTime) breaker.Abandoned();
            else Exclude(endpoint, breaker.Failed(null), "it did not answer in time");
            throw;
        }
    }

    private void Judge(Uri endpoint, Breaker breaker, UpstreamRequest request, UpstreamException failure)
    {
        switch (failure.Failure)
        {
            case UpstreamFailure.Unavailable or UpstreamFailure.RateLimited when request.IsOptional:
                breaker.Abandoned();
                break;
            case UpstreamFailure.Unavailable:
                Exclude(endpoint, breaker.Failed(failure.RetryAfter), failure.Message);
                break;
            case UpstreamFailure.RateLimited:
                breaker.Limited(request, failure.RetryAfter ?? TimeSpan.Zero);
                break;
            default:
                // It is there and it answers; that the answer is of no use is no reason to ask it less.
                breaker.Succeeded();
                break;
        }
    }

    private void Exclude(Uri endpoint, TimeSpan pause, string why)
    {
        if (pause == TimeSpan.Zero) return;
        cluster.Exclude(endpoint, pause);
        Log.EndpointExcluded(logger, options.Key, endpoint.Authority, pause.TotalSeconds, why);
    }

    private void Count(UpstreamRequest request, int code, long started) =>
        metrics.Requested(options.Key, request.Noun, code, clock.GetElapsedTime(started));

    private UpstreamException LeftAlone(TimeSpan wait, bool limited)
    {
        var until = $"not asked again for {Math.Ceiling(wait.TotalSeconds):0} s";
        return limited
            ? new UpstreamException(UpstreamFailure.RateLimited, $"upstream {options.Key} limits our requests; {until}", wait, 429)
            : new UpstreamException(UpstreamFailure.Unavailable, $"upstream {options.Key} has just failed several times; {until}", wait);
    }
}
