using System.Globalization;
using Gateway.Oci;

namespace Gateway.Policy;

/// <summary>Holds an age against the bounds of a rule, wherever it counts from.</summary>
internal static class AgeBounds
{
    /// <summary>Whether a bound is asked at a stage.</summary>
    public static bool AreAsked(LimitOptions limits, Stage stage) =>
        limits.MaxAge is not null || (limits.MinAge is not null && IsServed(stage));

    /// <summary>What is wrong with an age. When that changes is noted with the hearing.</summary>
    /// <param name="limits">The bounds.</param>
    /// <param name="hearing">What is asked.</param>
    /// <param name="since">What the age counts from.</param>
    /// <param name="what">What happened then, such as <c>first seen</c>.</param>
    /// <param name="how">How that is known, to stand behind the moment; empty where it needs no word.</param>
    public static List<Finding> Find(LimitOptions limits, Hearing hearing, DateTimeOffset since, string what, string how = "")
    {
        var (now, findings) = (hearing.Input.Now, new List<Finding>());
        if (limits.MaxAge is { } most)
        {
            hearing.ChangesAt(since + most);
            if (now >= since + most)
                findings.Add(new(
                    ReasonCodes.LimitMaxAge, $"{what} {Moments.Text(since)}{how}, it is older than {Text(most)}", "push a newer build")
                {
                    Expected = $"{what} after {Moments.Text(now - most)}",
                    Found = Moments.Text(since),
                });
        }
        if (limits.MinAge is { } least && IsServed(hearing.Input.Stage))
        {
            hearing.ChangesAt(since + least);
            if (now < since + least)
                findings.Add(new(
                    ReasonCodes.LimitMinAge, $"{what} {Moments.Text(since)}{how}, it is younger than {Text(least)}",
                    $"wait until {Moments.Text(since + least)}")
                {
                    Expected = $"{what} before {Moments.Text(now - least)}",
                    Found = Moments.Text(since),
                });
        }
        return findings;
    }

    // A push brings it in; that it then waits is a matter of the pulls.
    private static bool IsServed(Stage stage) => stage is Stage.ProxyFetch or Stage.Pull;

    private static string Text(TimeSpan age) => age.Ticks % TimeSpan.TicksPerDay == 0
        ? age.Days == 1 ? "1 day" : $"{age.Days} days"
        : $"{Math.Round(age.TotalHours, 2).ToString(CultureInfo.InvariantCulture)} hours";
}
