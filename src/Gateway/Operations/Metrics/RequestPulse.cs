using System.Numerics;

namespace Gateway.Operations;

/// <summary>How long answers took, in milliseconds: half of them, 95 and 99 of 100 at most this long.</summary>
public sealed record LatencyView(long Requests, double P50, double P95, double P99);

/// <summary>
/// Requests of the last minute by second, and the time to the first byte of the last five minutes, in fixed arrays: a request adds to three
/// counters and allocates nothing. A request in the moment in which a counter begins again may be lost.
/// </summary>
internal sealed class RequestPulse
{
    private const int Seconds = 64;

    // Five whole minutes, and the one that has begun.
    private const int Minutes = 6;

    private readonly long[] _second = new long[Seconds];
    private readonly int[] _requests = new int[Seconds];
    private readonly LatencyRing _manifests = new(Minutes);
    private readonly LatencyRing _blobs = new(Minutes);

    /// <summary>Counts a finished request.</summary>
    public void Note(RequestRecord record)
    {
        var now = Environment.TickCount64;
        var second = now / 1000;
        var slot = (int)(second % Seconds);
        var seen = Volatile.Read(ref _second[slot]);
        if (seen != second && Interlocked.CompareExchange(ref _second[slot], second, seen) == seen) Volatile.Write(ref _requests[slot], 0);
        Interlocked.Increment(ref _requests[slot]);
        var ring = record.Route switch { "manifest" => _manifests, "blob" => _blobs, _ => null };
        if (ring is not null && record is { FirstByte: { } time, Status: < 500, Method: "GET" or "HEAD" }) ring.Note(now, time);
    }

    /// <summary>Requests of each of the last 60 whole seconds, the oldest first.</summary>
    public IReadOnlyList<int> LastMinute()
    {
        var now = Environment.TickCount64 / 1000;
        return
        [
            .. Enumerable.Range(0, 60).Select(i => now - 60 + i).Select(second =>
                Volatile.Read(ref _second[(int)(second % Seconds)]) == second ? Volatile.Read(ref _requests[(int)(second % Seconds)]) : 0),
        ];
    }

    /// <summary>The time to the first byte of manifests in the last five minutes; null for no request.</summary>
    public LatencyView? Manifests => _manifests.View(Environment.TickCount64);

    /// <summary>The same for blobs.</summary>
    public LatencyView? Blobs => _blobs.View(Environment.TickCount64);
}

/// <summary>Times in buckets, a set of them for each of some minutes. A time is known to an eighth of itself.</summary>
internal sealed class LatencyRing(int minutes)
{
    // Four for each power of two of a microsecond, up to 134 s.
    private const int Buckets = 4 * 27;

    private readonly long[] _minute = new long[minutes];
    private readonly int[] _counts = new int[minutes * Buckets];

    /// <summary>Adds a time.</summary>
    /// <param name="now">Milliseconds of a steady clock.</param>
    public void Note(long now, TimeSpan time)
    {
        var minute = now / 60_000;
        var slot = (int)(minute % minutes);
        var seen = Volatile.Read(ref _minute[slot]);
        if (seen != minute && Interlocked.CompareExchange(ref _minute[slot], minute, seen) == seen)
            Array.Clear(_counts, slot * Buckets, Buckets);
        Interlocked.Increment(ref _counts[(slot * Buckets) + BucketOf((long)time.TotalMicroseconds)]);
    }

    /// <summary>What the minutes contain; null for nothing.</summary>
    public LatencyView? View(long now)
    {
        var sums = new long[Buckets];
        for (var slot = 0; slot < minutes; slot++)
        {
            if ((now / 60_000) - Volatile.Read(ref _minute[slot]) >= minutes) continue;
            for (var i = 0; i < Buckets; i++) sums[i] += Volatile.Read(ref _counts[(slot * Buckets) + i]);
        }
        var all = sums.Sum();
        return all == 0 ? null : new(all, At(0.5), At(0.95), At(0.99));

        double At(double share)
        {
            var (wanted, bucket) = ((long)Math.Ceiling(all * share), 0);
            for (var seen = sums[0]; seen < wanted; seen += sums[++bucket])
            {
            }
            return Math.Round(TopOf(bucket) / 1000.0, 3);
        }
    }

    private static int BucketOf(long microseconds)
    {
        var value = (ulong)Math.Max(4, microseconds);
        var power = BitOperations.Log2(value);
        return Math.Min(Buckets - 1, ((power - 2) * 4) + (int)((value >> (power - 2)) & 3));
    }

    // The largest time of a bucket, in microseconds.
    private static long TopOf(int bucket) => (long)(5 + (bucket & 3)) << (bucket / 4);
}
