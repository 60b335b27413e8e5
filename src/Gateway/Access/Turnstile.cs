using System.Net;

namespace Gateway.Access;

/// <summary>
/// Limits concurrency. Waiters are admitted by turns of their addresses, one of each address per turn. So a waiter of one address waits for
/// one waiter of each other address, regardless of how many wait from there.
/// </summary>
internal sealed class Turnstile(int places)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, LinkedList<TaskCompletionSource>> _waiting = [];

    /// <summary>The addresses of <see cref="_waiting"/>, the next first.</summary>
    private readonly Queue<IPAddress> _turns = new();

    private int _free = places;

    /// <summary>Returns when there is a place, which <see cref="Leave"/> releases. A canceled waiter leaves the queue.</summary>
    public async ValueTask EnterAsync(IPAddress address, CancellationToken cancellationToken)
    {
        LinkedListNode<TaskCompletionSource> own;
        lock (_lock)
        {
            if (_free > 0)
            {
                _free--;
                return;
            }
            if (!_waiting.TryGetValue(address, out var line))
            {
                _waiting[address] = line = [];
                _turns.Enqueue(address);
            }
            own = line.AddLast(new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }
        await using var hungUp = cancellationToken.UnsafeRegister(_ => GiveUp(own, cancellationToken), null);
        await own.Value.Task;
    }

    public void Leave()
    {
        lock (_lock)
        {
            while (_turns.TryDequeue(out var address))
            {
                if (_waiting[address].First is not { } next)
                {
                    _waiting.Remove(address);
                    continue;
                }
                _waiting[address].RemoveFirst();
                _turns.Enqueue(address);
                next.Value.SetResult();
                return;
            }
            _free++;
        }
    }

    private void GiveUp(LinkedListNode<TaskCompletionSource> own, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            // A waiter that is no longer in a queue has its place.
            if (own.List is null) return;
            own.List.Remove(own);
            own.Value.SetCanceled(cancellationToken);
        }
    }
}
