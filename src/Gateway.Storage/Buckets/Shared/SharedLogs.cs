using System.Collections.Concurrent;

namespace Gateway.Storage;

/// <summary>The logs of all repositories of the pushed root in a bucket that several gateways share.</summary>
internal sealed class SharedLogs(
    SharedStore shared, Links links, SmallFiles files, Committer committer, RecentUses uses, Action forget, TimeProvider clock,
    ILogger logger) : IAsyncDisposable
{
    /// <summary>
    /// How long a stop waits for links in distribution's layout. Chosen, below the time that the server gives to requests: another replica
    /// completes them.
    /// </summary>
    private static readonly TimeSpan MaxEnd = TimeSpan.FromSeconds(5);

    /// <summary>
    /// For how long a repository without head and links is known to have none. Chosen: as often as the poll; a look is two lists.
    /// </summary>
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(5);

    private readonly LogClock _clock = new(clock);
    private readonly LinkMirror _mirror = new(shared.Bucket, shared.Prefix);
    private readonly ConcurrentDictionary<Task, bool> _writing = [];
    private CollectionGate? _gate;
    private volatile ListedHeads? _listed;

    /// <summary>Keeps what this gateway uses from the collections of all gateways.</summary>
    public CollectionGate Gate => LazyInitializer.EnsureInitialized(ref _gate, () => new(Collections, uses.IsNoted, forget))!;

    public CollectionObjects Collections => new(shared.Bucket, shared.Prefix, _clock);

    /// <summary>The bucket, and where the gateways have their keys.</summary>
    public SharedStore Shared => shared;

    /// <summary>Receives the name of each repository that this gateway has changed; must return at once. Null for nothing.</summary>
    public Action<string>? Changed { get; set; }

    /// <summary>
    /// Notes the last list of all heads. It is kept here and not by each log: a log that is not in use is not in memory.
    /// </summary>
    public void Listed(ListedHeads heads) => _listed = heads;

    public RepositoryLog Of(StoredRepository repository) => repository.State.LogOrMake(() => Make(repository));

    /// <summary>A repository that is made up to date before it answers.</summary>
    public SharedRepository Backing(StoredRepository repository) => new(repository, Of(repository), Gate, shared.StaleFor);

    /// <summary>Logs why a change was not made.</summary>
    public void NotStored(StoredRepository repository, Exception why) => Log.NotStored(logger, why, repository.Path);

    /// <summary>The objects of the log of a repository.</summary>
    public LogObjects ObjectsOf(string name) => new(shared.Bucket, shared.Prefix, name, _clock.NewId);

    private RepositoryLog Make(StoredRepository repository)
    {
        var objects = ObjectsOf(repository.Path);
        long? freeAt = null;
        return new(objects, new ReplayedCopy(repository, links, files, committer, uses), _clock, logger)
        {
            Gate = Gate,
            Mirror = new(_mirror, objects, Started, logger),
            Made = () => Changed?.Invoke(repository.Path),
            ListedAt = etag => _listed is { } heads && etag is not null && heads.ETags.GetValueOrDefault(repository.Path) == etag
                ? heads.Began
                : 0,
            Adopt = async () =>
            {
                // Content can be copied to the bucket, or distribution can store some, at any time.
                if (freeAt is { } at && _clock.Time.GetElapsedTime(at) < LookAgain) return null;
                var began = _clock.Time.GetTimestamp();
                var head = await Adoption.AdoptAsync(repository.Path, objects);
                freeAt = head is null ? began : null;
                return head;
            },
        };
    }

    private Adoption Adoption => new(shared.Bucket, shared.Prefix, _clock, logger);

    /// <summary>
    /// Makes a log of links that were just found in the bucket, however recently nothing was found there, and makes the copy up to date.
    /// </summary>
    public async Task AdoptAsync(StoredRepository repository)
    {
        var log = Of(repository);
        await log.ValidateAsync();
        if (log.ETag is null && await Adoption.AdoptAsync(repository.Path, ObjectsOf(repository.Path)) is not null)
            await log.ValidateAsync();
    }

    private void Started(Task writing)
    {
        _writing.TryAdd(writing, true);
        _ = writing.ContinueWith(ended => _writing.TryRemove(ended, out _), TaskScheduler.Default);
    }

    /// <summary>
    /// Waits until distribution's layout has the changes that this gateway has made; also when some could not be written.
    /// </summary>
    public Task MirroredAsync(CancellationToken cancellationToken) => Task.WhenAll(_writing.Keys).WaitAsync(cancellationToken);

    /// <summary>Waits for the links that are being written.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await Task.WhenAll(_writing.Keys).WaitAsync(MaxEnd, clock);
        }
        catch (TimeoutException)
        {
            // Another replica completes them.
        }
    }
}

/// <summary>A list of all heads.</summary>
/// <param name="ETags">By the name of the repository.</param>
/// <param name="Began">The time stamp at which it began.</param>
internal sealed record ListedHeads(IReadOnlyDictionary<string, string> ETags, long Began);
