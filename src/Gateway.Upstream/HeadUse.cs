namespace Gateway.Upstream;

/// <summary>
/// Whether <c>HEAD</c> is of use at an upstream, for each kind of path. Some registries, or the stores that they redirect to, refuse a HEAD
/// or answer 404 where GET works (ECR Public: aws/containers-roadmap#2671; a signed address of S3 is good for one method: moby#50065;
/// Harbor's proxy cache: goharbor/harbor#22609).
/// </summary>
public sealed class HeadUse(TimeProvider clock)
{
    // Chosen: an upstream that was mended is noticed within an hour. Each such upstream costs one HEAD in vain per hour and kind.
    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<UpstreamNoun, DateTimeOffset> _worked = [];
    private readonly Dictionary<UpstreamNoun, DateTimeOffset> _useless = [];

    /// <summary>A HEAD of this kind was answered 200, and GET would have said the same.</summary>
    public void Worked(UpstreamNoun noun)
    {
        lock (_lock) _worked[noun] = clock.GetUtcNow();
    }

    /// <summary>Whether a HEAD of this kind was answered 200 within an hour: then its 404 is believed too.</summary>
    public bool HasWorked(UpstreamNoun noun)
    {
        lock (_lock) return IsLately(_worked, noun);
    }

    /// <summary>
    /// A HEAD of this kind was of no use, and GET worked. No more HEADs are sent for an hour, unless one of this kind was answered 200
    /// within an hour: then it is this one content that is odd, and a GET for each tag would spend the rate limit.
    /// </summary>
    public void Contradicted(UpstreamNoun noun)
    {
        lock (_lock)
        {
            if (!IsLately(_worked, noun)) _useless[noun] = clock.GetUtcNow();
        }
    }

    /// <summary>Whether HEADs of this kind are not sent now.</summary>
    public bool IsUseless(UpstreamNoun noun)
    {
        lock (_lock) return IsLately(_useless, noun);
    }

    private bool IsLately(Dictionary<UpstreamNoun, DateTimeOffset> times, UpstreamNoun noun) =>
        times.TryGetValue(noun, out var at) && (clock.GetUtcNow() - at).Duration() < Lifetime;
}
