using Gateway.Policy;

namespace Gateway.Repositories;

/// <summary>Compares verdicts, and the moments up to which they hold.</summary>
internal static class Verdicts
{
    /// <summary>The verdict with the stricter outcome; the first of two equal ones.</summary>
    public static Verdict Worse(Verdict one, Verdict other) => other.Outcome > one.Outcome ? other : one;

    /// <summary>The earlier moment; null stands for "never".</summary>
    public static DateTimeOffset? Earlier(DateTimeOffset? one, DateTimeOffset? other) => one is null || other < one ? other ?? one : one;
}
