using System.Threading.Channels;

namespace Gateway.PullThrough;

/// <summary>
/// Prefetch work, which a few workers do in order after they are started. Failures are logged; no request waits for the work. The workers
/// receive the gate when they start, so the queue does not depend on it.
/// </summary>
internal sealed class AheadQueue(int workers, ILogger logger) : IAsyncDisposable
{
    // Pieces of work that wait. When the queue is full, new work is dropped.
    private const int MaxWaiting = 1024;

    private readonly Channel<Func<PullManifest, CancellationToken, Task>> _waiting =
        Channel.CreateBounded<Func<PullManifest, CancellationToken, Task>>(
            new BoundedChannelOptions(MaxWaiting) { FullMode = BoundedChannelFullMode.DropWrite },
            itemDropped: _ => PullThroughMetrics.PrefetchesWaiting.Add(-1));

    // Not disposed: it may be canceled once more, and it holds no timer.
    private readonly CancellationTokenSource _stop = new();
    private Task[] _running = [];

    /// <summary>Starts the workers, once.</summary>
    /// <param name="pull">Pulls manifests through the gate.</param>
    public void Start(PullManifest pull) => _running = [.. Enumerable.Range(0, workers).Select(_ => Task.Run(() => RunAsync(pull)))];

    /// <summary>Adds work. The work must end when its token is canceled.</summary>
    public void Add(Func<PullManifest, CancellationToken, Task> work)
    {
        PullThroughMetrics.PrefetchesWaiting.Add(1);
        _waiting.Writer.TryWrite(work);
    }

    private async Task RunAsync(PullManifest pull)
    {
        try
        {
            await foreach (var work in _waiting.Reader.ReadAllAsync(_stop.Token))
            {
                PullThroughMetrics.PrefetchesWaiting.Add(-1);
                try
                {
                    await work(pull, _stop.Token);
                }
                catch (Exception e) when (e is not OperationCanceledException || !_stop.IsCancellationRequested)
                {
                    Log.PrefetchFailed(logger, e);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping: content that was not prefetched is fetched when a client requests it.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_running);
    }
}
