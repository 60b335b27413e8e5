using System.Diagnostics;

namespace Gateway.BlackBox.Faults;

/// <summary>What disturbs the gateways' sharing of fetches: a gateway that is killed or paused, Redis, and the ways to them.</summary>
internal sealed class Disturbances
{
    /// <summary>A gateway that another one could not reach is asked again after some seconds.</summary>
    private static readonly TimeSpan Aftermath = TimeSpan.FromSeconds(15);

    private readonly Lock _lock = new();
    private int _active;
    private long _ended = Stopwatch.GetTimestamp();

    /// <summary>How many have begun.</summary>
    public int Count { get; private set; }

    /// <summary>Whether none is under way or has ended a short time ago.</summary>
    public bool IsCalm
    {
        get
        {
            lock (_lock) return _active == 0 && Stopwatch.GetElapsedTime(_ended) > Aftermath;
        }
    }

    public async Task DuringAsync(Func<Task> disturbance)
    {
        lock (_lock)
        {
            _active++;
            Count++;
        }
        try
        {
            await disturbance();
        }
        finally
        {
            lock (_lock)
            {
                _active--;
                _ended = Stopwatch.GetTimestamp();
            }
        }
    }
}
