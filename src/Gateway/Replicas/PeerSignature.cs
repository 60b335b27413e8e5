using System.Globalization;

namespace Gateway.Replicas;

/// <summary>
/// Signs requests between replicas by the secret of the set, which itself is never sent. A signature holds for one method, path and query,
/// host, and a few minutes, so that a recorded request is of no use elsewhere or later. The minute is that of Redis while it is known, so
/// that replicas whose clocks differ accept each other.
/// </summary>
/// <param name="sharedTime">The time by the clock that all replicas share, since the epoch; null if it is not known.</param>
internal sealed class PeerSignature(PeerSecret secret, TimeProvider clock, Func<TimeSpan?>? sharedTime = null)
{
    /// <summary>The scheme of the Authorization header.</summary>
    private const string Scheme = "GatewayPeer ";

    // Chosen: clocks of machines that use NTP differ by far less; both minutes may be about to end.
    private const long MostMinutesApart = 2;

    private long OwnMinute => clock.GetUtcNow().ToUnixTimeSeconds() / 60;

    private long? SharedMinute => (long?)sharedTime?.Invoke()?.TotalMinutes;

    /// <summary>The Authorization header of a request.</summary>
    /// <param name="host">As the Host header has it.</param>
    /// <param name="target">Path and query.</param>
    public string Sign(string method, string host, string target)
    {
        var minute = SharedMinute ?? OwnMinute;
        return string.Create(CultureInfo.InvariantCulture, $"{Scheme}{minute}.{secret.Sign("peer", TextOf(method, host, target, minute))}");
    }

    /// <summary>Whether a replica of the set has signed this request within the last minutes.</summary>
    public bool IsSigned(string authorization, string method, string host, string target) =>
        authorization.StartsWith(Scheme, StringComparison.Ordinal)
        && authorization[Scheme.Length..].Split('.') is [var text, var signature]
        && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var minute)
        && (IsNear(minute, OwnMinute) || (SharedMinute is { } shared && IsNear(minute, shared)))
        && secret.IsSigned("peer", TextOf(method, host, target, minute), signature);

    private static bool IsNear(long one, long other) => Math.Abs(one - other) <= MostMinutesApart;

    private static string TextOf(string method, string host, string target, long minute) =>
        string.Create(CultureInfo.InvariantCulture, $"{method} {target}\n{host}\n{minute}");
}
