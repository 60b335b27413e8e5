namespace Gateway.Upstream;

/// <summary>
/// Records whether <c>HEAD</c> works at an upstream, for each kind of path. Some registries, or the storage that they redirect to, refuse a
/// HEAD or answer 404 where GET works (ECR Public: aws/containers-roadmap#2671; a signed address of S3 is valid for one method: moby#50065;
/// Harbor's proxy cache: goharbor/harbor#22609).
/// </summary>
public sealed class HeadUse(TimeProvider clock)
{
    // Chosen: the gateway notices a repaired upstream within an hour, at the cost of one failed HEAD per hour and kind.
    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<UpstreamNoun, DateTimeOffset> _worked = [];
    private readonly Dictionary<UpstreamNoun, DateTimeOffset> _useless = [];

    /// <summary>Records that the upstream answered 200 to a HEAD of this kind.</summary>
    public void Worked(UpstreamNoun noun)
    {
        lock (_lock) _worked[noun] = clock.GetUtcNow();
    }

    /// <summary>
    /// Whether the upstream answered 200 to a HEAD of this kind within the last hour. Its 404 to a HEAD is then reliable.
    /// </summary>
    public bool HasWorked(UpstreamNoun noun)
    {
        lock (_lock) return IsLately(_worked, noun);
    }

    /// <summary>
    /// Records that a HEAD of this kind failed where GET worked. The gateway then sends no HEADs of this kind for an hour. The exception: a
    /// HEAD of this kind was answered 200 within the last hour. The cause is then this one content, and a GET for each tag would use up the
    /// rate limit.
    /// </summary>
    public void Contradicted(UpstreamNoun noun)
    {
        lock (_lock)
        {
            if (!IsLately(_worked, noun)) _useless[noun] = clock.GetUtcNow();
        }
    }

    /// <summary>Whether the gateway must not send HEADs of this kind now.</summary>
    public bool IsUseless(UpstreamNoun noun)
    {
        lock (_lock) return IsLately(_useless, noun);
    }

    private bool IsLately(Dictionary<UpstreamNoun, DateTimeOffset> times, UpstreamNoun noun) =>
        times.TryGetValue(noun, out var at) && (clock.GetUtcNow() - at).Duration() < Lifetime;
}
