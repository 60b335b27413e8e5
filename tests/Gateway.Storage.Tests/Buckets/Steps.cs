namespace Gateway.Storage.Tests;

/// <summary>
/// Runs asynchronous code on one thread, and chooses by a seed what continues next: each seed is another interleaving, and always the same.
/// </summary>
internal sealed class Steps(int seed) : SynchronizationContext
{
    private readonly Random _random = new(seed);
    private readonly List<(SendOrPostCallback Callback, object? State)> _ready = [];
    private readonly Lock _lock = new();

    public override void Post(SendOrPostCallback d, object? state)
    {
        lock (_lock) _ready.Add((d, state));
    }

    /// <summary>Lets others go first, at least so many times.</summary>
    public async ValueTask WaitAsync(int times)
    {
        for (; times >= 0; times--) await Task.Yield();
    }

    public void Run(Func<Task> work)
    {
        var before = Current;
        SetSynchronizationContext(this);
        try
        {
            var task = work();
            while (!task.IsCompleted) Step();
            task.GetAwaiter().GetResult();
        }
        finally
        {
            SetSynchronizationContext(before);
        }
    }

    private void Step()
    {
        (SendOrPostCallback Callback, object? State) next;
        lock (_lock)
        {
            if (_ready.Count == 0) throw new InvalidOperationException("expected a step to continue with, got none");
            var at = _random.Next(_ready.Count);
            next = _ready[at];
            _ready[at] = _ready[^1];
            _ready.RemoveAt(_ready.Count - 1);
        }
        next.Callback(next.State);
    }
}
