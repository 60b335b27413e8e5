namespace Gateway.Replicas;

/// <summary>What a Redis answered when it was asked for real.</summary>
/// <param name="Problem">Why it cannot be used, in one line; null if it can.</param>
internal sealed record RedisProbe(string? Problem)
{
    /// <summary>The time of an answer.</summary>
    public TimeSpan Time { get; init; }

    /// <summary>By how much this machine's clock is before that of Redis.</summary>
    public TimeSpan ClockSkew { get; init; }

    /// <summary>The version that the server states; empty if unknown.</summary>
    public string Version { get; init; } = "";

    /// <summary>Whether answers take longer than replicas wait for them.</summary>
    public bool IsSlow(TimeSpan timeout) => Time > timeout;

    /// <summary>Whether the clocks differ by so much that replicas may refuse each other.</summary>
    public bool IsSkewed => ClockSkew.Duration() > Members.MostSkew;
}
