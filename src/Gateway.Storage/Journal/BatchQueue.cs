namespace Gateway.Storage;

/// <summary>
/// A queue that many threads fill, and from which one thread takes batches. That thread sleeps at once when the queue is empty;
/// <c>BlockingCollection</c> gives up the processor 30 times before (measured for each push of a manifest), which the pushes then lack.
/// </summary>
internal sealed class BatchQueue<T>
{
    private readonly Queue<T> _items = [];
    private bool _isClosed;

    /// <summary>Whether nothing will be taken any more: the queue is closed and empty.</summary>
    public bool IsCompleted
    {
        get
        {
            lock (_items) return _isClosed && _items.Count == 0;
        }
    }

    /// <summary>Adds an item; false when the queue is closed.</summary>
    public bool TryAdd(T item)
    {
        lock (_items)
        {
            if (_isClosed) return false;
            _items.Enqueue(item);
            Monitor.Pulse(_items);
            return true;
        }
    }

    /// <summary>
    /// Takes what is there, in order; waits while there is nothing. Empty after <paramref name="patience"/>, or when closed.
    /// </summary>
    /// <param name="most">The largest number of items of a batch.</param>
    public List<T> Take(int most, TimeSpan patience)
    {
        var batch = new List<T>();
        lock (_items)
        {
            if (_items.Count == 0 && !_isClosed) Monitor.Wait(_items, patience);
            while (batch.Count < most && _items.TryDequeue(out var item)) batch.Add(item);
        }
        return batch;
    }

    /// <summary>Accepts nothing from now on; what is there can still be taken.</summary>
    public void Close()
    {
        lock (_items)
        {
            _isClosed = true;
            Monitor.PulseAll(_items);
        }
    }
}
