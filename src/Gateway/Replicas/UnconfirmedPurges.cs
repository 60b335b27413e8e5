using System.Globalization;

namespace Gateway.Replicas;

/// <summary>A purge that a replica has not confirmed.</summary>
/// <param name="Id">Of the news.</param>
/// <param name="Entry">The entry of the stream in Redis; null if Redis did not accept it.</param>
internal sealed record UnconfirmedPurge(string Id, string What, Uri Replica, DateTimeOffset Since, string? Entry)
{
    /// <summary>When it was told last.</summary>
    public DateTimeOffset ToldAt { get; init; } = Since;
}

/// <summary>
/// The purges that were told here and that a replica has not confirmed. They are told again until the replica confirms them, directly or by
/// the position in the news that it says it has reached. A restart forgets them.
/// </summary>
internal sealed class UnconfirmedPurges(Members members, TimeProvider clock)
{
    // Chosen: an operator purges by hand, or a script some hundred images.
    private const int Most = 1000;

    // Chosen: a replica that does not answer costs a request in this time.
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(10);

    // Chosen: a replica that is away for longer was removed, or has lost track of the news when it comes back.
    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    private readonly Lock _gate = new();
    private List<UnconfirmedPurge> _all = [];

    /// <summary>All, the oldest first.</summary>
    public IReadOnlyList<UnconfirmedPurge> All
    {
        get
        {
            lock (_gate) return [.. _all];
        }
    }

    public int Count
    {
        get
        {
            lock (_gate) return _all.Count;
        }
    }

    public void Add(UnconfirmedPurge purge)
    {
        lock (_gate)
        {
            if (_all.Count == Most) _all.RemoveAt(0);
            _all.Add(purge);
        }
    }

    /// <summary>
    /// Removes what is confirmed or too old, and tells the rest again when it is time. One replica does not wait for another one. A replica
    /// that does not answer is told its other purges when it answers.
    /// </summary>
    /// <param name="tellAsync">Tells a purge again. Returns the entry of the stream, and what the replica answered.</param>
    public async Task SettleAsync(Func<UnconfirmedPurge, Task<(string? Entry, Told Told)>> tellAsync)
    {
        foreach (var purge in All)
        {
            if (clock.GetUtcNow() - purge.Since > Longest || HasReached(members.AboutOf(purge.Replica)?.News, purge.Entry))
                Replace(purge, null);
        }
        await Task.WhenAll(All.GroupBy(static purge => purge.Replica).Select(TellAsync));

        async Task TellAsync(IGrouping<Uri, UnconfirmedPurge> ofReplica)
        {
            // The others wait for the first one.
            if (clock.GetUtcNow() - ofReplica.First().ToldAt < Again) return;
            foreach (var purge in ofReplica)
            {
                var (entry, told) = await tellAsync(purge);
                Replace(purge, told.IsConfirmed ? null : purge with { Entry = entry, ToldAt = clock.GetUtcNow() });
                if (!told.IsAnswered) return;
            }
        }
    }

    /// <summary>Whether a position in the stream is at or after an entry; both as Redis writes them: <c>time-number</c>.</summary>
    internal static bool HasReached(string? position, string? entry) =>
        Parse(position) is { } reached && Parse(entry) is { } wanted && reached.CompareTo(wanted) >= 0;

    private void Replace(UnconfirmedPurge old, UnconfirmedPurge? changed)
    {
        lock (_gate) _all = [.. _all.Select(each => ReferenceEquals(each, old) ? changed : each).OfType<UnconfirmedPurge>()];
    }

    private static (ulong, ulong)? Parse(string? text) =>
        text?.Split('-') is [var time, var number]
        && ulong.TryParse(time, NumberStyles.None, CultureInfo.InvariantCulture, out var first)
        && ulong.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var second)
            ? (first, second)
            : null;
}
