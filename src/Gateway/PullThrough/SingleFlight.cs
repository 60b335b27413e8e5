using System.Collections.Concurrent;

namespace Gateway.PullThrough;

/// <summary>
/// One piece of work per key at a time. Callers that arrive while it is under way share its result. A caller that leaves does not stop it.
/// </summary>
internal sealed class SingleFlight<TKey, TResult>
    where TKey : notnull
    where TResult : class?
{
    private readonly ConcurrentDictionary<TKey, Lazy<Task<TResult>>> _running = new();

    /// <summary>Starts the work, or joins it. The work must limit its own time.</summary>
    /// <param name="look">
    /// Returns a known result; null if there is none. The caller has looked before, but the work of another caller may have ended since. So
    /// it is called again, and no work is done twice.
    /// </param>
    public (Task<TResult> Result, bool Joined) Run(TKey key, Func<ValueTask<TResult?>> look, Func<Task<TResult>> work)
    {
        Lazy<Task<TResult>>? mine = null;
        mine = new(() => RunAndForgetAsync(key, look, work, () => mine!));
        var running = _running.GetOrAdd(key, mine);
        return (running.Value, !ReferenceEquals(running, mine));
    }

    private async Task<TResult> RunAndForgetAsync(
        TKey key, Func<ValueTask<TResult?>> look, Func<Task<TResult>> work, Func<Lazy<Task<TResult>>> self)
    {
        // The work must not run inside the Lazy's lock, where other callers would block on it.
        await Task.Yield();
        try
        {
            return await look() ?? await work();
        }
        finally
        {
            _running.TryRemove(new(key, self()));
        }
    }
}
