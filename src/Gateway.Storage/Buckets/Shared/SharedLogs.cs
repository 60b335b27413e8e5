using System.Collections.Concurrent;

namespace Gateway.Storage;

/// <summary>The logs of all repositories of the pushed root in a bucket that several gateways share.</summary>
internal sealed class SharedLogs(
    SharedStore shared, Links links, SmallFiles files, Committer committer, TimeProvider clock, ILogger logger) : IAsyncDisposable
{
    /// <summary>
    /// How long a stop waits for links in distribution's layout. Chosen, below the time that the server gives to requests: another replica
    /// completes them.
    /// </summary>
    private static readonly TimeSpan MaxEnd = TimeSpan.FromSeconds(5);

    private readonly LogClock _clock = new(clock);
    private readonly LinkMirror _mirror = new(shared.Bucket, shared.Prefix);
    private readonly ConcurrentDictionary<Task, bool> _writing = [];

    /// <summary>The bucket, and where the gateways have their keys.</summary>
    public SharedStore Shared => shared;

    /// <summary>The log of a repository.</summary>
    public RepositoryLog Of(StoredRepository repository) => repository.State.LogOrMake(() => Make(repository));

    /// <summary>A repository that is made up to date before it answers.</summary>
    public SharedRepository Backing(StoredRepository repository) => new(repository, Of(repository), shared.StaleFor);

    /// <summary>Logs why a change was not made.</summary>
    public void NotStored(StoredRepository repository, Exception why) => Log.NotStored(logger, why, repository.Path);

    private RepositoryLog Make(StoredRepository repository)
    {
        var objects = new LogObjects(shared.Bucket, shared.Prefix, repository.Path, _clock.NewId);
        var isFree = false;
        return new(objects, new ReplayedCopy(repository, links, files, committer), _clock, logger)
        {
            Mirror = new(_mirror, objects, Started, logger),
            Adopt = async () =>
            {
                // Only gateways write to the bucket from now on: one look at the layout is enough.
                if (isFree) return null;
                var head = await new Adoption(shared.Bucket, shared.Prefix, _clock).AdoptAsync(repository.Path, objects);
                isFree = head is null;
                return head;
            },
        };
    }

    private void Started(Task writing)
    {
        _writing.TryAdd(writing, true);
        _ = writing.ContinueWith(ended => _writing.TryRemove(ended, out _), TaskScheduler.Default);
    }

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
