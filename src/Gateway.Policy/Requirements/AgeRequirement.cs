using System.Globalization;
using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>
/// Bounds the age of a manifest by this gateway's own clock: since the repository first saw it, or an index that names it. What a config
/// says of its creation is its author's word and does not count.
/// </summary>
internal sealed class AgeRequirement(LimitOptions limits) : IRequirement
{
    /// <inheritdoc/>
    public FactKinds Needs => FactKinds.FirstSeen | FactKinds.Above;

    /// <inheritdoc/>
    public bool Descends => false;

    /// <inheritdoc/>
    public void Check(Hearing hearing)
    {
        var (now, seen) = (hearing.Input.Now, FirstSeen(hearing));
        if (limits.MaxAge is { } most)
        {
            hearing.ChangesAt(seen + most);
            if (now >= seen + most)
                hearing.Findings.Add(new(ReasonCodes.LimitMaxAge, $"first seen {Text(seen)}, it is older than {Text(most)}", "push a newer build")
                {
                    Expected = $"first seen after {Text(now - most)}",
                    Found = Text(seen),
                });
        }
        if (limits.MinAge is { } least && IsServed(hearing.Input.Stage))
        {
            hearing.ChangesAt(seen + least);
            if (now < seen + least)
                hearing.Findings.Add(new(
                    ReasonCodes.LimitMinAge, $"first seen {Text(seen)}, it is younger than {Text(least)}", $"wait until {Text(seen + least)}")
                {
                    Expected = $"first seen before {Text(now - least)}",
                    Found = Text(seen),
                });
        }
    }

    // A push brings it in; that it then waits is a matter of the pulls.
    private static bool IsServed(Stage stage) => stage is Stage.ProxyFetch or Stage.Pull;

    private static DateTimeOffset FirstSeen(Hearing hearing)
    {
        var facts = hearing.Input.Facts;
        return facts.Above.Select(static above => above.Digest).Append(hearing.Digest)
            .Append(hearing.Input.Digest).Append(hearing.Input.Canonical)
            .Min(digest => facts.FirstSeen.TryGetValue(digest, out var seen) ? seen : hearing.Input.Now);
    }

    private static string Text(DateTimeOffset moment) =>
        moment.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static string Text(TimeSpan age) => age.Ticks % TimeSpan.TicksPerDay == 0
        ? age.Days == 1 ? "1 day" : $"{age.Days} days"
        : $"{Math.Round(age.TotalHours, 2).ToString(CultureInfo.InvariantCulture)} hours";
}
