using System.Text.Json.Serialization;

namespace Gateway.Upstream;

/// <summary>
/// What several gateways that use the same accounts tell each other about upstreams. It makes a gateway more careful, and never more: only
/// the upstream's own responses stop requests, or allow more of them.
/// </summary>
public interface ISharedLimits
{
    /// <summary>The number of gateways that use the upstreams, this one included; at least 1.</summary>
    int Replicas { get; }

    /// <summary>
    /// Tells the other gateways what this one knows of an upstream. Returns what each of them told; null if they cannot be asked now. Waits
    /// for a short time at most, and does not throw.
    /// </summary>
    /// <param name="upstream">The upstream; its addresses identify it, because keys can differ between gateways.</param>
    /// <param name="mine">What this gateway knows.</param>
    Task<IReadOnlyList<UpstreamLimits>?> ExchangeAsync(RegistryOptions upstream, UpstreamLimits mine);
}

/// <summary>What one gateway knows of an upstream by its own requests.</summary>
/// <param name="Accounts">The accounts at the upstream.</param>
/// <param name="Open">The endpoints whose breakers are open: their addresses, and for how many milliseconds.</param>
public sealed record UpstreamLimits(IReadOnlyList<AccountLimits> Accounts, IReadOnlyDictionary<string, long> Open)
{
    /// <summary>The time since the gateway told this.</summary>
    [JsonIgnore]
    public TimeSpan Age { get; init; }
}

/// <summary>What one gateway knows of one account. Times are in milliseconds, from the moment at which the gateway told it.</summary>
/// <param name="Name">The account's name in metrics and logs.</param>
/// <param name="InFlight">The requests that count and were not answered yet.</param>
public sealed record AccountLimits(string Name, int InFlight)
{
    /// <summary>Whom the upstream counts (an address, an account), as it says itself; null if it does not say so.</summary>
    public string? Source { get; init; }

    /// <summary>The limit as the upstream stated it last; 0 if it stated none, or its window is over.</summary>
    public long Limit { get; init; }

    /// <summary>What remained of the limit then.</summary>
    public long Remaining { get; init; }

    /// <summary>The time since the upstream stated it.</summary>
    public long StatedBefore { get; init; }

    /// <summary>The time until the window ends.</summary>
    public long ResetsIn { get; init; }

    /// <summary>The rest of the pause after a 429; 0 for none.</summary>
    public long ExhaustedFor { get; init; }
}
