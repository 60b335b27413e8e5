namespace Gateway.Storage;

/// <summary>The logs of all repositories of the pushed root in a bucket that several gateways share.</summary>
internal sealed class SharedLogs(
    SharedStore shared, Links links, SmallFiles files, Committer committer, TimeProvider clock, ILogger logger)
{
    private readonly LogClock _logClock = new(clock) { NotApplied = e => Storage.Log.CommitFailed(logger, e) };

    public TimeSpan StaleFor => shared.StaleFor;

    /// <summary>The log of a repository.</summary>
    public RepositoryLog Of(StoredRepository repository) => repository.State.LogOrMake(() => new RepositoryLog(
        new LogObjects(shared.Bucket, shared.Prefix, repository.Path, _logClock.NewId),
        new ReplayedCopy(repository, links, files, committer),
        _logClock));

    /// <summary>A repository that is made up to date before it answers.</summary>
    public SharedRepository Backing(StoredRepository repository) => new(repository, Of(repository), shared.StaleFor);
}
