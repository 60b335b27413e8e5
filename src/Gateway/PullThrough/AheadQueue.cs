using System.Threading.Channels;

namespace Gateway.PullThrough;

/// <summary>What is fetched before anybody asks for it: done in turn by a few workers; failures are logged, and nobody waits.</summary>
internal sealed class AheadQueue : IAsyncDisposable
{
    // Pieces of work that wait; of more, the newest are left out.
    private const int MaxWaiting = 1024;

    private readonly ILogger _logger;
    private readonly Channel<Func<CancellationToken, Task>> _waiting = Channel.CreateBounded<Func<CancellationToken, Task>>(
        new BoundedChannelOptions(MaxWaiting) { FullMode = BoundedChannelFullMode.DropWrite },
        itemDropped: _ => PullThroughMetrics.PrefetchesWaiting.Add(-1));
    // Not disposed: it may be cancelled once more, and it holds no timer.
    private readonly CancellationTokenSource _stop = new();
    private readonly Task[] _workers;

    public AheadQueue(int workers, ILogger logger)
    {
        _logger = logger;
        _workers = [.. Enumerable.Range(0, workers).Select(_ => Task.Run(RunAsync))];
    }

    /// <summary>Adds work, which ends when its token says so.</summary>
    public void Add(Func<CancellationToken, Task> work)
    {
        PullThroughMetrics.PrefetchesWaiting.Add(1);
        _waiting.Writer.TryWrite(work);
    }

    private async Task RunAsync()
    {
        try
        {
            await foreach (var work in _waiting.Reader.ReadAllAsync(_stop.Token))
            {
                PullThroughMetrics.PrefetchesWaiting.Add(-1);
                try
                {
                    await work(_stop.Token);
                }
                catch (Exception e) when (e is not OperationCanceledException || !_stop.IsCancellationRequested)
                {
                    Log.PrefetchFailed(_logger, e);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping: what waits is fetched when it is asked for.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_workers);
    }
}
