using System.Collections.Concurrent;
using System.Net;

namespace Gateway.Access;

/// <summary>
/// Slows down guessing: after some wrong passwords of one address, the responses to further wrong ones are delayed. Responses to correct
/// ones never are.
/// </summary>
internal sealed class FailedLogins(TimeProvider clock)
{
    /// <summary>Number of wrong passwords without a delay, because people mistype.</summary>
    private const int Free = 3;

    /// <summary>Count at which the delay stops growing, at 4 s; clients wait that long without giving up.</summary>
    private const int MaxCount = Free + 5;

    /// <summary>Maximum addresses that are counted separately; the others share one count.</summary>
    private const int MaxAddresses = 10_000;

    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(250);

    private static readonly TimeSpan ForgottenAfter = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<IPAddress, Failures> _byAddress = new();

    /// <summary>
    /// Counts a wrong password and waits for this address's delay: 250 ms from the fourth on, doubling up to 4 s.
    /// </summary>
    public Task DelayAsync(IPAddress? remote, CancellationToken cancellationToken)
    {
        var now = clock.GetTimestamp();
        var failures = _byAddress.AddOrUpdate(
            Group(remote), _ => new(1, now), (_, old) => new(IsForgotten(old) ? 1 : Math.Min(old.Count + 1, MaxCount), now));
        if (failures.Count <= Free) return Task.CompletedTask;
        return Task.Delay(FirstDelay * (1 << (failures.Count - Free - 1)), clock, cancellationToken);
    }

    private IPAddress Group(IPAddress? remote)
    {
        var address = ClientAddress.GroupOf(remote);
        return _byAddress.Count < MaxAddresses || _byAddress.ContainsKey(address) || Forget() ? address : IPAddress.None;
    }

    /// <summary>Removes old entries; returns whether that made room.</summary>
    private bool Forget()
    {
        foreach (var (address, failures) in _byAddress)
        {
            if (IsForgotten(failures)) _byAddress.TryRemove(address, out _);
        }
        return _byAddress.Count < MaxAddresses;
    }

    private bool IsForgotten(Failures failures) => clock.GetElapsedTime(failures.Last) > ForgottenAfter;

    private readonly record struct Failures(int Count, long Last);
}
