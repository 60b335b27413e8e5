namespace Gateway.Replicas;

/// <summary>What this replica does and knows now, for the other replicas and for the operator.</summary>
internal sealed class ReplicaState(Members members, SharedFetches fetches, News news, RedisLink? redis = null)
{
    // Chosen: a beat stays below 2 KiB.
    private const int MostLeads = 10;

    /// <summary>The revision of the policy in force; set before the gateway starts.</summary>
    public Func<string> Policy { get; set; } = () => "none";

    /// <summary>The fetches under way.</summary>
    public IReadOnlyCollection<SharedFetch> Fetches => fetches.All;

    /// <summary>What this replica says about itself.</summary>
    public ReplicaAbout Describe()
    {
        var counts = fetches.ByState;
        return new(Policy(), news.Position)
        {
            At = (long)(members.RedisTime ?? TimeSpan.Zero).TotalMilliseconds,
            NewsLag = (long)(news.Lag ?? TimeSpan.Zero).TotalMilliseconds,
            ClockSkew = (long)(members.ClockSkew ?? TimeSpan.Zero).TotalMilliseconds,
            RedisTime = (long)(redis?.Latency ?? TimeSpan.Zero).TotalMicroseconds,
            Unconfirmed = news.Unconfirmed.Count,
            Leading = counts.GetValueOrDefault(LeaseState.Lead),
            Following = counts.GetValueOrDefault(LeaseState.Follow),
            Alone = counts.GetValueOrDefault(LeaseState.Alone),
            Leads =
            [
                .. fetches.All.Where(each => each.State is LeaseState.Lead or LeaseState.Alone).OrderBy(each => each.Fetch.Since)
                    .Take(MostLeads).Select(each => new LedFetch(each.Digest.ToString(), each.Fetch.Part.Length, each.Fetch.Part.Readable)),
            ],
        };
    }
}
