using System.Collections.Immutable;

namespace Gateway.Upstream;

/// <summary>One upstream: its endpoints in order, each with a breaker, and its accounts.</summary>
internal sealed class UpstreamRegistry(
    RegistryOptions options,
    UpstreamCluster cluster,
    UpstreamExchange exchange,
    ImmutableDictionary<Uri, Breaker> breakers,
    Accounts accounts,
    HeadUse heads,
    UpstreamMetrics metrics,
    TimeProvider clock,
    ILogger logger,
    LimitExchange? others = null) : IUpstreamRegistry
{
    // Chosen: if a caller cancels after this time (a tag's deadline is 2 s), the endpoint hangs. After a shorter wait, it may not.
    private static readonly TimeSpan HangTime = TimeSpan.FromSeconds(1);

    private readonly RateLimitLog _limitLog = new(options.Key, logger);

    public RegistryOptions Options => options;

    /// <summary>Whether the breaker of at least one endpoint is closed.</summary>
    public bool IsUp => breakers.Values.Any(breaker => !breaker.IsOpen);

    public HeadUse Heads => heads;

    public RateLimit? RateLimit => accounts.RateLimit;

    /// <summary>The accounts at the upstream.</summary>
    public ImmutableArray<Account> Accounts => accounts.All;

    public IUpstreamRegistry As(Credential? client)
    {
        var shown = client is null
            ? CredentialOptions.Anonymous
            : new CredentialOptions { Label = "client", Username = client.Username, Password = client.Secret };
        var account = new Account(shown.Name, new CredentialSource(options, shown, CredentialSource.ClientRefusalLifetime, clock), clock);
        return new UpstreamRegistry(options, cluster, exchange, breakers, new([account]), heads, metrics, clock, logger);
    }

    public async Task<UpstreamResponse> SendAsync(UpstreamRequest request, CancellationToken cancellationToken)
    {
        var attempts = new Attempts();
        foreach (var endpoint in EndpointsFor(request))
        {
            if (await TryAsync(endpoint, request, attempts, cancellationToken) is { } response) return response;
            // The endpoint refused all accounts. That is the answer; other endpoints are not tried.
            if (attempts is { Failed: null, Refused: { } refused }) throw refused;
        }
        throw attempts.Failed ?? Postponed(attempts.Wait!.Value, attempts.Limited);
    }

    public void Report(Uri endpoint, bool wrong)
    {
        if (!breakers.TryGetValue(endpoint, out var breaker)) return;
        Exclude(endpoint, breaker.BodyBroke(), wrong ? "bodies had the wrong digest" : "bodies were interrupted");
    }

    /// <summary>
    /// The endpoints in the order of the configuration, then those whose last probe failed, then the one that failed for this content.
    /// </summary>
    private IEnumerable<Uri> EndpointsFor(UpstreamRequest request) => request.Session is { } session ? [session.Endpoint]
        : options.Urls.Length == 1 ? options.Urls
        : options.Urls.Distinct().OrderBy(url => url == request.Except ? 2 : cluster.IsUnhealthy(url) ? 1 : 0);

    /// <summary>Sends the request to one endpoint with one account after another; null if none got an answer.</summary>
    private async Task<UpstreamResponse?> TryAsync(
        Uri endpoint, UpstreamRequest request, Attempts attempts, CancellationToken cancellationToken)
    {
        foreach (var account in request.Session is { } session ? [session.Account] : accounts.InOrderFor(request))
        {
            if (account.IsPaused(endpoint, request, out var rest))
            {
                attempts.Postpone(rest, limited: true);
                continue;
            }
            if (!breakers[endpoint].TryEnter(out var wait))
            {
                attempts.Postpone(wait, limited: false);
                break;
            }
            try
            {
                return await SendToAsync(endpoint, account, request, cancellationToken);
            }
            catch (UpstreamException e) when (
                e.Failure == UpstreamFailure.Unauthorized || e is { Failure: UpstreamFailure.Refused, Status: 403 })
            {
                attempts.Refused = e;
                account.Refused(request);
            }
            catch (UpstreamException e) when (e.Failure is UpstreamFailure.Unavailable or UpstreamFailure.RateLimited)
            {
                Log.EndpointFailed(logger, options.Key, e.Failure, e.Message);
                attempts.Failed = e;
                if (e.Failure == UpstreamFailure.Unavailable) break;
            }
        }
        return null;
    }

    private async Task<UpstreamResponse> SendToAsync(
        Uri endpoint, Account account, UpstreamRequest request, CancellationToken cancellationToken)
    {
        var breaker = breakers[endpoint];
        var started = clock.GetTimestamp();
        var counted = false;
        try
        {
            if (request is { Noun: UpstreamNoun.Manifest, IsWrite: false })
            {
                accounts.Count(account, request);
                counted = true;
            }
            if (others is not null && await others.AskAsync(counted) && counted) accounts.CheckCounted(request);
            var response = await exchange.SendAsync(endpoint, account, request, cancellationToken);
            breaker.Succeeded();
            Count(request, response.Status, started);
            return response;
        }
        catch (UpstreamException e)
        {
            Count(request, e.Status ?? 0, started);
            Record(endpoint, account, request, e);
            throw;
        }
        catch (UpstreamHeldException)
        {
            breaker.Abandoned();
            throw;
        }
        catch
        {
            Count(request, 0, started);
            if (request.IsOptional || request.IsWrite || clock.GetElapsedTime(started) < HangTime) breaker.Abandoned();
            else Exclude(endpoint, breaker.Failed(null), "no answer in time");
            throw;
        }
        finally
        {
            if (counted) account.Budget.Ended();
            _limitLog.Watch(accounts.RateLimit);
            others?.Tell(counted);
        }
    }

    private void Record(Uri endpoint, Account account, UpstreamRequest request, UpstreamException failure)
    {
        // An endpoint that refuses pushes (read-only, storage full) can still serve pulls. The reads of a push show whether it is
        // reachable.
        if ((failure.Failure == UpstreamFailure.Unavailable && (request.IsOptional || request.IsWrite))
            || (failure.Failure == UpstreamFailure.RateLimited && request.IsOptional)
            // The endpoint itself may work. The next request must find out when its token server works again.
            || (failure.Failure == UpstreamFailure.Unavailable && failure.IsOfTokenServer))
        {
            breakers[endpoint].Abandoned();
            return;
        }
        if (failure.Failure == UpstreamFailure.Unavailable)
        {
            Exclude(endpoint, breakers[endpoint].Failed(failure.RetryAfter), failure.Message);
            return;
        }
        // The endpoint answers. An unusable answer does not open the breaker.
        breakers[endpoint].Succeeded();
        if (failure.Failure == UpstreamFailure.RateLimited) account.Limited(endpoint, request, failure.RetryAfter ?? TimeSpan.Zero);
    }

    private void Exclude(Uri endpoint, TimeSpan pause, string why)
    {
        if (pause == TimeSpan.Zero) return;
        cluster.Exclude(endpoint, pause);
        Log.EndpointExcluded(logger, options.Key, endpoint.Authority, pause.TotalSeconds, why);
    }

    private void Count(UpstreamRequest request, int code, long started) =>
        metrics.Requested(options.Key, request.Noun, code, clock.GetElapsedTime(started));

    private UpstreamException Postponed(TimeSpan wait, bool limited)
    {
        var until = $"retry after {Math.Ceiling(wait.TotalSeconds):0} s";
        return limited
            ? new UpstreamException(UpstreamFailure.RateLimited, $"upstream {options.Key} answered 429; {until}", wait, 429)
            : new UpstreamException(UpstreamFailure.Unavailable, $"upstream {options.Key} failed several times; {until}", wait);
    }

    /// <summary>The results of one request's attempts so far.</summary>
    private sealed class Attempts
    {
        public UpstreamException? Failed { get; set; }

        public UpstreamException? Refused { get; set; }

        /// <summary>The shortest time until an endpoint that was skipped can be tried; null if none was skipped.</summary>
        public TimeSpan? Wait { get; private set; }

        /// <summary>Whether a 429 is the reason for that wait.</summary>
        public bool Limited { get; private set; }

        public void Postpone(TimeSpan wait, bool limited)
        {
            if (wait < (Wait ?? TimeSpan.MaxValue)) (Wait, Limited) = (wait, limited);
        }
    }
}
