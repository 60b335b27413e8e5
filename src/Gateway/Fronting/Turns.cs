using Gateway.Storage;

namespace Gateway.Fronting;

/// <summary>
/// Lets the changes of one repository run one after another, in order of arrival, so that two pushes of one tag end the same at the
/// upstream and here.
/// </summary>
internal sealed class Turns
{
    // Chosen: far more pushes than one repository receives at a time; each holds a manifest in memory.
    private const int MaxWaiting = 256;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Queue<TaskCompletionSource>> _waiting = new(StringComparer.Ordinal);

    /// <summary>Waits for a turn. Disposing it starts the next turn. Throws <see cref="NotForwardedException"/> if too many wait.</summary>
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
                throw new NotForwardedException($"{MaxWaiting} pushes to {name} already wait for the upstream; try again later", null);
            }
        }
        try
        {
            await own.Task.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // The turn may have started just now or may start later; end it as soon as it does.
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
