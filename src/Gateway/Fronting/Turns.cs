using Gateway.Storage;

namespace Gateway.Fronting;

/// <summary>
/// One after the other, in the order of their coming, for each name: what two pushes of one tag leave at an upstream and here is the same.
/// </summary>
internal sealed class Turns
{
    // Chosen: far more than push into one repository at a time; each has a manifest in memory.
    private const int MaxWaiting = 256;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Queue<TaskCompletionSource>> _waiting = new(StringComparer.Ordinal);

    /// <summary>
    /// Whoever disposes the turn lets the next one have his. Throws <see cref="NotForwardedException"/> where too many wait.
    /// </summary>
    public async Task<IDisposable> TakeAsync(string name, CancellationToken cancellationToken)
    {
        var own = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (!_waiting.TryGetValue(name, out var waiting))
            {
                _waiting[name] = new();
                own.SetResult();
            }
            else if (waiting.Count < MaxWaiting)
            {
                waiting.Enqueue(own);
            }
            else
            {
                throw new NotForwardedException($"{MaxWaiting} pushes to {name} wait for the upstream already; try again later", null);
            }
        }
        try
        {
            await own.Task.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // Its turn may have come just now, or comes later, and is over then.
            _ = own.Task.ContinueWith(_ => End(name), TaskScheduler.Default);
            throw;
        }
        return new Turn(this, name);
    }

    private void End(string name)
    {
        lock (_lock)
        {
            if (_waiting[name].TryDequeue(out var next)) next.SetResult();
            else _waiting.Remove(name);
        }
    }

    private sealed class Turn(Turns turns, string name) : IDisposable
    {
        private int _ended;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _ended, 1) == 0) turns.End(name);
        }
    }
}
