using System.Collections.Immutable;
using Microsoft.Extensions.Logging;

namespace Gateway.Upstream;

/// <summary>One upstream: its endpoints in their order, each behind a breaker, and the accounts that ask there.</summary>
internal sealed class UpstreamRegistry(
    RegistryOptions options,
    UpstreamCluster cluster,
    UpstreamExchange exchange,
    ImmutableDictionary<Uri, Breaker> breakers,
    Accounts accounts,
    HeadUse heads,
    UpstreamMetrics metrics,
    TimeProvider clock,
    ILogger logger) : IUpstreamRegistry
{
    // A caller who waited so long and left (a tag's deadline is 2 s) has found an endpoint that hangs; a shorter wait says nothing.
    private static readonly TimeSpan HangTime = TimeSpan.FromSeconds(1);

    private readonly RateLimitLog _limitLog = new(options.Key, logger);

    public RegistryOptions Options => options;

    /// <summary>Whether an endpoint may be asked now.</summary>
    public bool IsUp => breakers.Values.Any(breaker => !breaker.IsOpen);

    public HeadUse Heads => heads;

    public RateLimit? RateLimit => accounts.Left;

    /// <summary>Those that ask here.</summary>
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
            // Refused by all of them: that is an answer, and is not looked for elsewhere.
            if (attempts is { Failed: null, Refused: { } refused }) throw refused;
        }
        throw attempts.Failed ?? LeftAlone(attempts.Wait!.Value, attempts.Limited);
    }

    public void Report(Uri endpoint, bool wrong)
    {
        if (!breakers.TryGetValue(endpoint, out var breaker)) return;
        Exclude(endpoint, breaker.BodyBroke(), wrong ? "bodies had the wrong digest" : "bodies broke off");
    }

    /// <summary>In the order written; those that a probe found dead later, and the one that failed for this content last.</summary>
    private IEnumerable<Uri> EndpointsFor(UpstreamRequest request) => request.Session is { } session ? [session.Endpoint]
        : options.Urls.Length == 1 ? options.Urls
        : options.Urls.Distinct().OrderBy(url => url == request.Except ? 2 : cluster.IsIll(url) ? 1 : 0);

    /// <summary>Asks one endpoint by one account after the other; null when none got an answer there.</summary>
    private async Task<UpstreamResponse?> TryAsync(
        Uri endpoint, UpstreamRequest request, Attempts attempts, CancellationToken cancellationToken)
    {
        foreach (var account in request.Session is { } session ? [session.Account] : accounts.InOrderFor(request))
        {
            if (account.Rests(endpoint, request, out var rest))
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
            var response = await exchange.SendAsync(endpoint, account, request, cancellationToken);
            breaker.Succeeded();
            Count(request, response.Status, started);
            return response;
        }
        catch (UpstreamException e)
        {
            Count(request, e.Status ?? 0, started);
            Judge(endpoint, account, request, e);
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
            else Exclude(endpoint, breaker.Failed(null), "it did not answer in time");
            throw;
        }
        finally
        {
            if (counted) account.Budget.Ended();
            _limitLog.Watch(accounts.Left);
        }
    }

    private void Judge(Uri endpoint, Account account, UpstreamRequest request, UpstreamException failure)
    {
        // Who takes no push (read-only, storage full) may well serve pulls; whether it is there at all is found out by the reads of a push.
        if ((failure.Failure == UpstreamFailure.Unavailable && (request.IsOptional || request.IsWrite))
            || (failure.Failure == UpstreamFailure.RateLimited && request.IsOptional)
            // The endpoint may be well. Once its token server is, too, the next request shall find that out.
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
        // It is there and it answers; that the answer is of no use is no reason to ask it less.
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

    private UpstreamException LeftAlone(TimeSpan wait, bool limited)
    {
        var until = $"not asked again for {Math.Ceiling(wait.TotalSeconds):0} s";
        return limited
            ? new UpstreamException(UpstreamFailure.RateLimited, $"upstream {options.Key} limits our requests; {until}", wait, 429)
            : new UpstreamException(UpstreamFailure.Unavailable, $"upstream {options.Key} has just failed several times; {until}", wait);
    }

    /// <summary>What came of one request so far.</summary>
    private sealed class Attempts
    {
        public UpstreamException? Failed { get; set; }

        public UpstreamException? Refused { get; set; }

        /// <summary>Where nobody could be asked: how long until one may be.</summary>
        public TimeSpan? Wait { get; private set; }

        /// <summary>Whether a 429 is the reason of that wait.</summary>
        public bool Limited { get; private set; }

        public void Postpone(TimeSpan wait, bool limited)
        {
            if (wait < (Wait ?? TimeSpan.MaxValue)) (Wait, Limited) = (wait, limited);
        }
    }
}
