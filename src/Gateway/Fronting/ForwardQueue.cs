using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Gateway.Storage;
using Gateway.Upstream;

namespace Gateway.Fronting;

/// <summary>
/// Gives upstreams what pushes left for them: of each repository one push after the other, again and again while the upstream does not
/// answer, also after a restart.
/// </summary>
internal sealed class ForwardQueue : IAsyncDisposable
{
    // Repositories that are served at a time; the others wait for theirs to end, or to fail.
    private const int AtOnce = 8;

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);

    // An upstream that comes back is noticed within this; its own Retry-After may say longer.
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    private readonly Volume _volume;
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
    /// The repository of a path below the staged root, by the configuration in force; null where nothing leads to it.
    /// </param>
    public ForwardQueue(Volume volume, Func<string, FrontedRepository?> find, TimeProvider clock, ILogger logger)
    {
        (_volume, _find, _clock, _logger) = (volume, find, clock, logger);
        _meter.CreateObservableGauge(
            "gateway.forward.waiting", () => All().Count(f => f.Forward.IsWaiting),
            description: "Pushes that an upstream is still to get.");
        _meter.CreateObservableGauge(
            "gateway.forward.refused", () => All().Count(f => !f.Forward.IsWaiting),
            description: "Pushes of the last day that were answered, and that an upstream then refused.");
    }

    /// <summary>What waits and what was refused, by repository, the earliest first.</summary>
    public IEnumerable<(string Repository, PendingForward Forward)> All() =>
        _volume.StagedContent.Repositories.SelectMany(path => _volume.StagedContent.Of(path).Forwards().Select(f => (path, f)));

    /// <summary>
    /// Why the first push of a repository could not be given to the upstream when it was last tried; null where it was not.
    /// </summary>
    public string? TroubleOf(string repository) => _troubles.GetValueOrDefault(repository);

    /// <summary>Looks at every repository: at the start, and when another configuration holds.</summary>
    public void WakeAll()
    {
        foreach (var path in All().Where(f => f.Forward.IsWaiting).Select(f => f.Repository).Distinct().ToArray()) Wake(path);
    }

    /// <summary>A push was left in this repository.</summary>
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
                // Jitter, so that many do not come back at once.
                var own = pause * (0.5 + Random.Shared.NextDouble());
                await Task.Delay(wait > own ? wait.Value : own, _clock, _stop.Token);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping: what waits goes on after the next start.
        }
    }

    private (FrontedRepository Repository, PendingForward Forward)? Next(string path)
    {
        lock (_lock)
        {
            var next = _volume.StagedContent.Of(path).Forwards().FirstOrDefault(f => f.IsWaiting);
            if (next is not null && !_stopping)
            {
                if (_find(path) is { } repository) return (repository, next);
                _troubles[path] = "no route with push: forward leads to the upstream, at the url that it was pushed for; it waits for one";
            }
            _running.Remove(path);
            return null;
        }
    }

    /// <summary>Null when it is done with; else how long to wait at least before the next try.</summary>
    private async Task<TimeSpan?> TryAsync(string path, FrontedRepository repository, PendingForward forward)
    {
        await _places.WaitAsync(_stop.Token);
        try
        {
            await repository.DeliverAsync(forward, _stop.Token);
            return null;
        }
        // An account that is not let in says nothing about the push: its password was changed, or its rights.
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
            // The volume takes no writes now, or something that nobody thought of: it must not end the queue.
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
