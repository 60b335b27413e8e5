using System.Threading.Tasks.Sources;

namespace Gateway.Transport;

/// <summary>
/// Waits until a socket may be read from, or written to. There is one waiter at a time; a signal without a waiter is kept for the next
/// one. A signal is a hint: the waiter tries, and waits again where there was nothing.
/// </summary>
internal sealed class Readiness : IValueTaskSource, IThreadPoolWorkItem
{
    // Values of _state; 0 is neither.
    private const int Signaled = 1;
    private const int Waiting = 2;

    private ManualResetValueTaskSourceCore<bool> _signal;
    private int _state;

    /// <summary>Returns at once where a signal was kept; otherwise on the thread that signals.</summary>
    public ValueTask WaitAsync()
    {
        _signal.Reset();
        if (Interlocked.CompareExchange(ref _state, Waiting, 0) == 0) return new(this, _signal.Version);
        // What is tried from here on sees everything that was signaled before.
        Interlocked.Exchange(ref _state, 0);
        return default;
    }

    /// <param name="onPool">Whether the waiter goes on at a thread of the pool; otherwise it does on this one, within this call.</param>
    public void Signal(bool onPool)
    {
        int state, next;
        do
        {
            state = Volatile.Read(ref _state);
            if (state == Signaled) return;
            next = state == Waiting ? 0 : Signaled;
        }
        while (Interlocked.CompareExchange(ref _state, next, state) != state);
        if (state != Waiting) return;
        if (onPool) ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        else _signal.SetResult(true);
    }

    void IThreadPoolWorkItem.Execute() => _signal.SetResult(true);

    void IValueTaskSource.GetResult(short token) => _signal.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _signal.GetStatus(token);

    void IValueTaskSource.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _signal.OnCompleted(continuation, state, token, flags);
}
