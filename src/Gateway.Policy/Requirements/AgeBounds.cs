using System.Globalization;

namespace Gateway.Policy;

/// <summary>Compares an age with the limits of a rule, whatever the age counts from.</summary>
internal static class AgeBounds
{
    /// <summary>Whether a limit is checked at a stage.</summary>
    public static bool AreAsked(LimitOptions limits, Stage stage) =>
        limits.MaxAge is not null || (limits.MinAge is not null && IsServed(stage));

    /// <summary>The finding about an age, or null. Notes with the evaluation when it changes.</summary>
    /// <param name="since">The time from which the age counts.</param>
    /// <param name="what">What happened at that time, such as <c>first seen</c>.</param>
    /// <param name="how">How the time is known, to append to the time; empty when obvious.</param>
    public static List<Finding> Find(LimitOptions limits, Evaluation evaluation, DateTimeOffset since, string what, string how = "")
    {
        var (now, findings) = (evaluation.Input.Now, new List<Finding>());
        if (limits.MaxAge is { } most)
        {
            evaluation.ChangesAt(since + most);
            if (now >= since + most)
                findings.Add(new(
                    ReasonCodes.LimitMaxAge, $"{what} {Moments.Text(since)}{how}, it is older than {Text(most)}", "push a newer build")
                {
                    Expected = $"{what} after {Moments.Text(now - most)}",
                    Found = Moments.Text(since),
                });
        }
        if (limits.MinAge is { } least && IsServed(evaluation.Input.Stage))
        {
            evaluation.ChangesAt(since + least);
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

    // A push is admitted; the minimum age then delays only fetches and pulls.
    private static bool IsServed(Stage stage) => stage is Stage.ProxyFetch or Stage.Pull;

    private static string Text(TimeSpan age) => age.Ticks % TimeSpan.TicksPerDay == 0
        ? age.Days == 1 ? "1 day" : $"{age.Days} days"
        : $"{Math.Round(age.TotalHours, 2).ToString(CultureInfo.InvariantCulture)} hours";
}
