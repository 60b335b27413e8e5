namespace Gateway.Upstream;

/// <summary>What other gateways said about one account's rate limit.</summary>
internal sealed record HeardBudget
{
    /// <summary>
    /// The age from which requests in flight at another gateway do not count. Chosen: as long as a gateway waits for headers; after that
    /// the gateway has ended, or told something newer.
    /// </summary>
    private static readonly TimeSpan LongestFlight = TimeSpan.FromSeconds(10);

    public static readonly HeardBudget None = new();

    /// <summary>The latest statement of the upstream to another gateway; null for none.</summary>
    public RateLimit? Stated { get; private init; }

    /// <summary>When the upstream stated it.</summary>
    public DateTimeOffset StatedAt { get; private init; }

    /// <summary>When its window ends.</summary>
    public DateTimeOffset Resets { get; private init; }

    /// <summary>Until when the upstream answers 429 to another gateway.</summary>
    public DateTimeOffset ExhaustedUntil { get; private init; }

    /// <summary>The requests in flight at all other gateways.</summary>
    public int InFlight { get; init; }

    /// <summary>Combines what the other gateways told about an account.</summary>
    /// <param name="told">What each other gateway told.</param>
    /// <param name="source">Whom the upstream counts for this gateway; null if unknown. Another source has another limit.</param>
    public static HeardBudget Of(IEnumerable<UpstreamLimits> told, string name, string? source, DateTimeOffset now)
    {
        var heard = None;
        foreach (var limits in told)
        {
            foreach (var account in limits.Accounts)
            {
                if (account.Name != name || (source is not null && account.Source is { } other && other != source)) continue;
                heard = heard.With(account, now - limits.Age, limits.Age);
            }
        }
        return heard;
    }

    private HeardBudget With(AccountLimits account, DateTimeOffset toldAt, TimeSpan age)
    {
        var exhausted = toldAt + TimeSpan.FromMilliseconds(account.ExhaustedFor);
        var heard = this with
        {
            InFlight = InFlight + (age < LongestFlight ? Math.Max(0, account.InFlight) : 0),
            ExhaustedUntil = account.ExhaustedFor > 0 && exhausted > ExhaustedUntil ? exhausted : ExhaustedUntil,
        };
        var statedAt = toldAt - TimeSpan.FromMilliseconds(Math.Max(0, account.StatedBefore));
        if (account.Limit <= 0 || account.Remaining < 0 || statedAt <= StatedAt) return heard;
        return heard with
        {
            Stated = new(account.Limit, Math.Min(account.Remaining, account.Limit)),
            StatedAt = statedAt,
            Resets = toldAt + TimeSpan.FromMilliseconds(account.ResetsIn),
        };
    }
}
