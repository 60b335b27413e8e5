using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.Fronting;

/// <summary>
/// Forwards the accepted pushes to the upstreams. The pushes of one repository go one after another. The queue retries while the upstream
/// does not answer, also after a restart.
/// </summary>
internal sealed class ForwardQueue : IAsyncDisposable
{
    // Repositories that are forwarded at the same time; the others wait until one of these is done or fails.
    private const int AtOnce = 8;

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);

    // The queue notices within this time that an upstream has recovered; the upstream's Retry-After may ask for more.
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    private readonly StoredRepositories _stored;
    private readonly StagedContent _staged;
    private readonly Func<string, FrontedRepository?> _find;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly Meter _meter = new("Gateway.Fronting.Queue");
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Task> _running = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, string> _troubles = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _places = new(AtOnce);
    private readonly CancellationTokenSource _stop = new();
    private bool _stopping;

    /// <param name="find">
    /// Returns the repository of a path below the staged root under the configuration in force; null if no route leads to it.
    /// </param>
    public ForwardQueue(
        StoredRepositories stored, StagedContent staged, Func<string, FrontedRepository?> find, TimeProvider clock, ILogger logger)
    {
        (_stored, _staged, _find, _clock, _logger) = (stored, staged, find, clock, logger);
        _meter.CreateObservableGauge(
            "gateway.forward.waiting", () => All().Count(f => f.Forward.IsWaiting),
            description: "Accepted pushes that are not forwarded to their upstream yet.");
        _meter.CreateObservableGauge(
            "gateway.forward.refused", () => All().Count(f => !f.Forward.IsWaiting),
            description: "Accepted pushes of the last day that an upstream refused.");
    }

    /// <summary>Pushes that wait and pushes that were refused, by repository, oldest first.</summary>
    public IEnumerable<(string Repository, PendingForward Forward)> All() =>
        _staged.Repositories.SelectMany(path => _stored.StagedAt(path).Forwards().Select(f => (path, f)));

    /// <summary>Why the last attempt to forward the first push of a repository failed; null if there was none or it succeeded.</summary>
    public string? TroubleOf(string repository) => _troubles.GetValueOrDefault(repository);

    /// <summary>Looks at every repository: at the start, and after each reload.</summary>
    public void WakeAll()
    {
        foreach (var path in All().Where(f => f.Forward.IsWaiting).Select(f => f.Repository).Distinct().ToArray()) Wake(path);
    }

    /// <summary>Starts forwarding for this repository, which has a new push.</summary>
    public void Wake(string path)
    {
        lock (_lock)
        {
            if (!_stopping && !_running.ContainsKey(path)) _running[path] = Task.Run(() => RunAsync(path));
        }
    }

    private async Task RunAsync(string path)
    {
        var pause = FirstPause;
        try
        {
            while (Next(path) is var (repository, forward))
            {
                var wait = await TryAsync(path, repository, forward);
                if (wait is null)
                {
                    pause = FirstPause;
                    _troubles.TryRemove(path, out _);
                    continue;
                }
                // Jitter, so that many repositories do not retry at the same moment.
                var own = pause * (0.5 + Random.Shared.NextDouble());
                await Task.Delay(wait > own ? wait.Value : own, _clock, _stop.Token);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping: waiting pushes are forwarded after the next start.
        }
    }

    private (FrontedRepository Repository, PendingForward Forward)? Next(string path)
    {
        lock (_lock)
        {
            var next = _stored.StagedAt(path).Forwards().FirstOrDefault(f => f.IsWaiting);
            if (next is not null && !_stopping)
            {
                if (_find(path) is { } repository) return (repository, next);
                _troubles[path] = "expected a route with push: forward to the same upstream url, got none; add the route";
            }
            _running.Remove(path);
            return null;
        }
    }

    /// <summary>Null if the push is done; otherwise the shortest wait before the next attempt.</summary>
    private async Task<TimeSpan?> TryAsync(string path, FrontedRepository repository, PendingForward forward)
    {
        await _places.WaitAsync(_stop.Token);
        try
        {
            await repository.DeliverAsync(forward, _stop.Token);
            return null;
        }
        // A refused account says nothing about the push: the account's password or rights may have changed.
        catch (NotForwardedException e)
            when (e.Refusal is not null && e.InnerException is not UpstreamException { Failure: UpstreamFailure.Unauthorized })
        {
            Log.GivenUp(_logger, path, forward.Sequence, string.Join(' ', forward.Tags.Select(t => t.Tag)), e.Message);
            return await TryGiveUpAsync(repository, forward, e.Message);
        }
        catch (NotForwardedException e)
        {
            _troubles[path] = e.Message;
            return e.RetryAfter ?? TimeSpan.Zero;
        }
        catch (Exception e) when (e is not OperationCanceledException || !_stop.IsCancellationRequested)
        {
            // The volume accepts no writes now, or the error is unexpected. Neither must end the queue.
            Log.NotDelivered(_logger, e, path, forward.Sequence);
            _troubles[path] = e.Message;
            return TimeSpan.Zero;
        }
        finally
        {
            _places.Release();
        }
    }

    private async Task<TimeSpan?> TryGiveUpAsync(FrontedRepository repository, PendingForward forward, string why)
    {
        try
        {
            await repository.GiveUpAsync(forward, why, _stop.Token);
            return null;
        }
        catch (IOException)
        {
            return TimeSpan.Zero;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Task[] running;
        lock (_lock)
        {
            if (_stopping) return;
            _stopping = true;
            running = [.. _running.Values];
        }
        await _stop.CancelAsync();
        await Task.WhenAll(running);
        _meter.Dispose();
        _stop.Dispose();
        _places.Dispose();
    }
}
