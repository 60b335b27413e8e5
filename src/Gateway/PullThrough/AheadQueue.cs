using System.Threading.Channels;

namespace Gateway.PullThrough;

/// <summary>
/// Work ahead of need: done in turn by a few workers once they are started. Failures are logged; no request waits for it. The queue knows
/// nothing of the gate, which its workers are given when they start.
/// </summary>
internal sealed class AheadQueue(int workers, ILogger logger) : IAsyncDisposable
{
    // Pieces of work that wait; of more, the newest are left out.
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

    /// <summary>Adds work, which ends when its token says so.</summary>
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
            // Stopping: what waits is fetched when a client asks for it.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_running);
    }
}
