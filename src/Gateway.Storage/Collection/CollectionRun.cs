namespace Gateway.Storage;

/// <summary>One run of a collection, for all that take part in it.</summary>
internal sealed record CollectionRun(
    ManifestFiles Files, RecentUses Uses, TimeProvider Clock, CollectionRequest Request, CollectionTally Tally,
    Action<CollectionProgress> Report, CancellationToken Stop)
{
    private readonly WorkPace _pace = new(Clock);

    /// <summary>Rests if it is time. Throws when the run is canceled.</summary>
    public ValueTask RestAsync() => _pace.RestAsync(Stop);
}
