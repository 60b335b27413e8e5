using System.Collections.Concurrent;
using System.Net;

namespace Gateway.Access;

/// <summary>
/// Makes guessing slow: after some wrong passwords from one address its next wrong answers are held back. Right ones never are.
/// </summary>
internal sealed class FailedLogins(TimeProvider clock)
{
    /// <summary>Wrong passwords that cost nothing: people mistype.</summary>
    private const int Free = 3;

    /// <summary>Beyond, the delay no longer grows: 4 s, which clients wait for without giving up.</summary>
    private const int MaxCount = Free + 5;

    /// <summary>Most addresses counted apart; others share one count.</summary>
    private const int MaxAddresses = 10_000;

    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(250);

    private static readonly TimeSpan ForgottenAfter = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<IPAddress, Failures> _byAddress = new();

    /// <summary>
    /// Counts a wrong password and waits as long as this address has earned: 250 ms from the fourth on, doubling up to 4 s.
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

    /// <summary>Drops what is old; whether that made room.</summary>
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
