namespace Gateway.Storage;

/// <summary>
/// An open <c>storage.path</c>. It locks the volume, replays its journal, composes its parts, and ends them. Other code uses the parts
/// that it needs, never the volume. One process at a time.
/// </summary>
public sealed class Volume : IAsyncDisposable
{
    private readonly FileStream? _lock;
    private readonly LinkIndex _index;
    private readonly Committer _committer;
    private readonly CacheNotes _cacheNotes;
    private readonly Durability _durability;
    private readonly VolumeSweep _sweep;
    private readonly Trash _trash;
    private readonly SharedPoll? _poll;
    private readonly LocalCopies _copies;

    private Volume(
        Folders folders, FileStream? held, TimeProvider clock, ILogger logger, Func<LocalCopies, IContentStore>? openPushed,
        SharedStore? shared)
    {
        (_lock, _durability) = (held, folders.Durability);
        var start = folders.NextStart();
        _index = _durability.Ended is null
            ? LinkIndex.Open(folders.Index, start.Generation, clock, logger)
            : LinkIndex.Off(folders.Index, clock, logger);
        Files = new(folders.Temporary, _durability);
        _trash = new(folders.Trash, folders.Path, clock);
        Health = new(folders, Files, _trash, clock);
        Steady = new(clock, folders, logger);
        var places = new ByteLocks();
        Damage = new(folders.Damaged, places, logger);
        Links = new(_index);
        Roots = new(
            shared is null
                ? new(Path.Combine(folders.Path, "docker/registry/v2"), Lifetime.Pushed)
                : new(Path.Combine(folders.Shared, "v2"), Lifetime.Pushed, isShared: true),
            new(Path.Combine(folders.Own, "cache/v2"), Lifetime.Cached),
            new(Path.Combine(folders.Own, "staged/v2"), Lifetime.Staged));
        Catalog = new(Roots.Pushed);
        DecisionRing = new(folders.Decisions);
        JobFiles = new(folders.Jobs, Files);
        Origins = new(Path.Combine(folders.Own, "cache/v2/origins"), Files, logger);

        var (manifests, uses) = (new ManifestCache(), new RecentUses(clock));
        // With a bucket, a file of the cache may be a copy that anything has read: no use by a pusher.
        var cached = StoreOf(Roots.Cached, trash: null, shared is null ? uses : new(clock));
        var staged = StoreOf(Roots.Staged, trash: null);
        Eviction = new(_index, Roots.Cached, cached, Health, clock, logger);
        Room = new(Health, Eviction);
        Fetches = new(folders.Fetches, Room, Health, Eviction, cached, _durability);
        _copies = new(cached, Fetches, Eviction, Files, _durability, logger);
        var pushed = openPushed?.Invoke(_copies) ?? StoreOf(Roots.Pushed, _trash);
        Content = new(pushed, cached, staged, Health, Eviction, logger);
        Uploads = new(pushed, Health, clock, logger)
        {
            Staged = pushed is ContentFiles ? null : new(staged, Health, clock, logger),
        };
        StagedContent = new(Roots.Staged, staged, Roots.Cached, Eviction, uses, clock);

        var holders = new Holders(Catalog, Roots.Pushed, StagedContent, Roots.Staged);
        var applier = new Applier(Files, Links, manifests, Content, Uploads, StagedContent, Catalog, holders, Eviction, _trash);
        var segments = new JournalSegments(folders, Health, logger);
        _committer = new(segments, Links, applier, _durability, Health, clock, logger);
        Logs = shared is null
            ? null
            : new(shared, Links, Files, _committer, uses, () => (pushed as BucketContents)?.Forget(), clock, logger);
        var commits = Logs is null ? (ICommitter)_committer : new SharedCommitter(Logs, _committer, Content, Uploads, manifests);
        var parts = new RepositoryParts(Links, manifests, Content, Damage, Files, Uploads, uses, Room, commits);
        Repositories = new(Roots, Catalog, holders, parts) { Logs = Logs };
        Collector = new(
            Roots, Repositories, Content, manifests, Uploads, StagedContent, Eviction, uses, _trash, Health, _committer, Damage, clock)
        {
            Ready = Task.WhenAll(_index.Opened, Eviction.Counted),
            Shared = Logs is null ? null : new(Logs, Repositories, Roots.Pushed, Content, clock),
        };
        TrashContents = new(_trash, Repositories, Content, Roots.Pushed, manifests, uses);
        Scrubber = new(Roots, Repositories, Content, manifests, Damage, clock, logger);
        CachedRepositories = new(Roots.Cached, Repositories, Fetches, Eviction);
        _committer.Start(Replay(segments, applier, start.Sequence, logger));
        _cacheNotes = new(Eviction, Repositories, new(manifests, Content, [Roots.Cached, Roots.Pushed]), logger);
        _poll = Logs is null ? null : new(Logs, Repositories, clock, logger);
        Repositories.Poll = Health.Poll = _poll;
        _sweep = new(_trash, Uploads, Fetches, StagedContent, Health, clock, logger);

        ContentFiles StoreOf(Root root, Trash? trash, RecentUses? notedIn = null) =>
            new(root, folders.Uploads, Files, _durability, OpenFiles, manifests, Damage, notedIn ?? uses, places, trash);
    }

    internal Roots Roots { get; }

    internal SmallFiles Files { get; }

    /// <summary>Whether this disk accepts writes.</summary>
    internal Durability Durability => _durability;

    internal Links Links { get; }

    /// <summary>The logs that this gateway shares with others; null when its own disk has the truth.</summary>
    internal SharedLogs? Logs { get; }

    /// <summary>What gateways that share a bucket can tell each other of their changes; null without a bucket.</summary>
    public SharedNews? SharedNews => Logs is { } logs && _poll is { } poll ? new(logs, poll) : null;

    internal Catalog Catalog { get; }

    /// <summary>The repositories in every root.</summary>
    public StoredRepositories Repositories { get; }

    /// <summary>The bytes of content, in whichever root.</summary>
    public VolumeContent Content { get; }

    /// <summary>Whether the volume accepts writes.</summary>
    public VolumeHealth Health { get; }

    /// <summary>Files whose bytes do not have their digest.</summary>
    public Damage Damage { get; }

    /// <summary>What the clock of the bucket's store shows now, to some seconds; null without a bucket and if that is not known.</summary>
    public DateTimeOffset? StoreTime => Logs?.Shared.Bucket.Time;

    /// <summary>The clock for decisions.</summary>
    public SteadyClock Steady { get; }

    /// <summary>The upload sessions.</summary>
    public Uploads Uploads { get; }

    /// <summary>The latest decisions.</summary>
    public DecisionRing DecisionRing { get; }

    /// <summary>The files of running fetches.</summary>
    public FetchFiles Fetches { get; }

    /// <summary>The upstream to which each cached link belongs.</summary>
    public Origins Origins { get; }

    /// <summary>Keeps the cached root below its size limit.</summary>
    public Eviction Eviction { get; }

    /// <summary>The room for cached content.</summary>
    public CacheRoom Room { get; }

    /// <summary>The cached content, which an operator can list and purge.</summary>
    public CachedRepositories CachedRepositories { get; }

    /// <summary>Removes what nothing needs any more.</summary>
    public Collector Collector { get; }

    /// <summary>Removed content, which an operator can restore.</summary>
    public TrashContents TrashContents { get; }

    /// <summary>Reads everything that is stored, and compares it with its digests.</summary>
    public Scrubber Scrubber { get; }

    /// <summary>The files of jobs.</summary>
    public JobFiles JobFiles { get; }

    /// <summary>Content that was accepted for upstreams and is not there yet.</summary>
    public StagedContent StagedContent { get; }

    /// <summary>The files that are open for readers.</summary>
    public OpenFiles OpenFiles { get; } = new();

    /// <summary>
    /// Ends when the lookup index is open, or off. Until then the disk answers, and facts that the disk does not have (the size of content
    /// whose bytes are not stored) are not remembered.
    /// </summary>
    public Task IndexOpened => _index.Opened;

    /// <summary>
    /// Opens a volume: locks it, replays its journal, and removes leftovers. Throws <see cref="IOException"/> with one line that states the
    /// problem (another process uses it, a newer format, not writable).
    /// </summary>
    public static ValueTask<Volume> OpenAsync(string path, TimeProvider clock, ILogger logger, CancellationToken cancellationToken) =>
        OpenAsync(path, clock, logger, openPushed: null, shared: null, cancellationToken);

    /// <summary>Opens a volume whose pushed content is in another store than its disk.</summary>
    /// <param name="openPushed">Opens the store; null for the disk.</param>
    /// <param name="shared">Where the metadata of pushed content is, if several gateways share it; null for the disk.</param>
    internal static ValueTask<Volume> OpenAsync(
        string path, TimeProvider clock, ILogger logger, Func<LocalCopies, IContentStore>? openPushed, SharedStore? shared,
        CancellationToken cancellationToken) =>
        new(Task.Run(
            () =>
            {
                var folders = Folders.Make(path, logger);
                try
                {
                    return new Volume(folders, folders.TakeLock(), clock, logger, openPushed, shared);
                }
                catch
                {
                    folders.Durability.Dispose();
                    throw;
                }
            },
            cancellationToken));

    /// <summary>Applies the journal of earlier processes. Returns the number of the last change.</summary>
    /// <param name="noted">The number of the last change when a segment was last ended.</param>
    private long Replay(JournalSegments segments, Applier applier, long noted, ILogger logger)
    {
        var sequence = noted;
        try
        {
            if (segments.Any) _durability.CheckWrites();
            var replay = new Replay(applier);
            sequence = Math.Max(sequence, segments.Replay(record =>
            {
                if (Repositories.Journaled(record.Repository) is { } repository) replay.Apply(repository, record);
            }));
            applier.EndBatch();
            segments.EndAll(sequence);
        }
        catch (InvalidDataException e)
        {
            const string remedy = "pushes are refused until it is repaired; stop the gateway and run gateway repair";
            Health.NotReplayed($"the journal is damaged; {remedy}", $"the journal is damaged ({e.Message}); {remedy}");
            Log.NotReplayed(logger, e);
        }
        catch (NewerRecordException e)
        {
            const string remedy = "pushes are refused until that version is run";
            Health.NotReplayed($"a newer version of the gateway wrote the journal; {remedy}", $"{e.Message}; {remedy}");
            Log.NotReplayed(logger, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Health.NotReplayed(NotInPlace(Disk.WhyOf(e)), NotInPlace(e.Message));
            Log.NotReplayed(logger, e);
        }
        return sequence;
    }

    private static string NotInPlace(string why) =>
        $"pushes from before the last stop could not be applied ({why}); correct the cause and restart the gateway";

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_poll is not null) await _poll.DisposeAsync();
        if (Logs is not null) await Logs.DisposeAsync();
        await _sweep.DisposeAsync();
        await Steady.DisposeAsync();
        // Through the committer.
        await _cacheNotes.DisposeAsync();
        await _committer.DisposeAsync();
        await _copies.DisposeAsync();
        await Eviction.DisposeAsync();
        await _index.DisposeAsync();
        OpenFiles.Dispose();
        Damage.Dispose();
        _trash.Dispose();
        if (_lock is not null) await _lock.DisposeAsync();
        _durability.Dispose();
        (Logs?.Shared.Bucket as IDisposable)?.Dispose();
    }
}
