namespace Gateway.Storage;

/// <summary>Makes changes durable, and applies them.</summary>
internal interface ICommitter
{
    /// <summary>
    /// Makes a change whole or not at all. Returns when it is durable and applied here. Throws <see cref="StoreReadOnlyException"/> when
    /// nothing can be written.
    /// </summary>
    Task<CommitResult> CommitAsync(StoredRepository repository, Change change, CancellationToken cancellationToken);
}
