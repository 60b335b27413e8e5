using System.Collections.Concurrent;

namespace Gateway.PullThrough;

/// <summary>
/// One piece of work per key at a time: who asks while it is under way gets its result. No one caller's leaving stops it.
/// </summary>
internal sealed class SingleFlight<TKey, TResult>
    where TKey : notnull
    where TResult : class?
{
    private readonly ConcurrentDictionary<TKey, Lazy<Task<TResult>>> _running = new();

    /// <summary>Starts the work, or joins it. The work bounds its own time.</summary>
    /// <param name="look">
    /// What may be known already; null when it is not. Whoever comes here has looked before, and the work of another may have ended since:
    /// it is looked at once more, so that no work is done twice.
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
        // The work must not run inside the Lazy's lock, where others would block on it.
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
