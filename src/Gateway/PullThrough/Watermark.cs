namespace Gateway.PullThrough;

/// <summary>How far readers may read of a growing file. One writer moves it; any number wait for it. A failure ends it for all.</summary>
internal sealed class Watermark
{
    private readonly Lock _gate = new();
    private TaskCompletionSource? _moved;
    private Exception? _failure;

    /// <summary>Bytes that may be read.</summary>
    public long Value { get; private set; }

    /// <summary>Whether the value is the end.</summary>
    public bool IsComplete { get; private set; }

    public void MoveTo(long value) => Set(() => Value = Math.Max(Value, value));

    public void Complete(long value) => Set(() => (Value, IsComplete) = (value, true));

    /// <summary>Every wait from now on throws this, also for what may be read already.</summary>
    public void Fail(Exception failure) => Set(() => _failure ??= failure);

    /// <summary>
    /// Waits until something beyond this offset may be read, and says up to where; says the offset itself when that is the end or lies
    /// behind it.
    /// </summary>
    public async ValueTask<long> WaitBeyondAsync(long offset, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task moved;
            lock (_gate)
            {
                if (_failure is not null) throw _failure;
                if (Value > offset) return Value;
                if (IsComplete) return offset;
                moved = (_moved ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }
            await moved.WaitAsync(cancellationToken);
        }
    }

    private void Set(Action change)
    {
        TaskCompletionSource? moved;
        lock (_gate)
        {
            if (IsComplete) return;
            change();
            (moved, _moved) = (_moved, null);
        }
        moved?.SetResult();
    }
}
