namespace Gateway.Tests.Repositories;

/// <summary>A clock that does something else once, when it is looked at for the nth time.</summary>
internal sealed class InterruptingClock(TimeProvider inner, int moment, Func<Task> interruption) : TimeProvider
{
    private int _looks;

    public bool HasInterrupted => _looks >= moment;

    public override DateTimeOffset GetUtcNow()
    {
        if (++_looks == moment) Task.Run(interruption).GetAwaiter().GetResult();
        return inner.GetUtcNow();
    }
}
