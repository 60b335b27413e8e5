namespace Gateway.Storage;

/// <summary>A bucket with the pushed content and metadata of several gateways.</summary>
/// <param name="Prefix">Precedes every key; empty, or with a slash at its end.</param>
/// <param name="StaleFor">How long the last known state is served while the bucket does not answer.</param>
internal sealed record SharedStore(IBucket Bucket, string Prefix, TimeSpan StaleFor)
{
    /// <summary>Whether this gateway removes content that nothing needs.</summary>
    public bool Collects { get; init; }
}
