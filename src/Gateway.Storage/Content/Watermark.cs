namespace Gateway.Storage;

/// <summary>How far readers may read a growing file. One writer moves it; any number of readers wait. A failure ends all waits.</summary>
public sealed class Watermark
{
    private readonly Lock _gate = new();
    private TaskCompletionSource? _moved;
    private Exception? _failure;
    private long _value;
    private volatile bool _isComplete;

    /// <summary>Bytes that may be read.</summary>
    public long Value => Volatile.Read(ref _value);

    /// <summary>Whether the value is the end of the file.</summary>
    public bool IsComplete => _isComplete;

    /// <summary>Lets readers read up to this offset. A lower offset than before changes nothing.</summary>
    public void MoveTo(long value) => Set(value, isComplete: false, null);

    /// <summary>Lets readers read to the end. Nothing changes the watermark afterwards.</summary>
    public void Complete(long value) => Set(value, isComplete: true, null);

    /// <summary>Makes every later wait throw this, also for bytes that could be read before.</summary>
    public void Fail(Exception failure) => Set(0, isComplete: false, failure);

    /// <summary>
    /// Waits until the byte at this offset may be read. Returns one past the last byte that may be read; the offset itself if it is at or
    /// beyond the end.
    /// </summary>
    public async ValueTask<long> WaitBeyondAsync(long offset, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task moved;
            lock (_gate)
            {
                if (_failure is not null) throw _failure;
                if (_value > offset) return _value;
                if (_isComplete) return offset;
                moved = (_moved ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }
            await moved.WaitAsync(cancellationToken);
        }
    }

    private void Set(long value, bool isComplete, Exception? failure)
    {
        TaskCompletionSource? moved;
        lock (_gate)
        {
            if (_isComplete) return;
            Volatile.Write(ref _value, Math.Max(_value, value));
            _isComplete = isComplete;
            _failure ??= failure;
            (moved, _moved) = (_moved, null);
        }
        moved?.SetResult();
    }
}
