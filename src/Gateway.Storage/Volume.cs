using System.Globalization;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>All of <c>storage.path</c>: its roots, journal, lookup index, uploads and fetches. One process at a time.</summary>
public sealed partial class Volume : IContentLookup, IAsyncDisposable
{
    /// <summary>
    /// The limits for reading stored manifests. Content was checked when it was stored, and a volume of another program is served as it is,
    /// so there are no other limits.
    /// </summary>
    public static readonly ManifestLimits ReadBackLimits =
        new() { MaxBytes = MaxManifestBytes, MaxDescriptors = 1_000_000, MaxAnnotationBytes = 64 << 20, MaxDepth = 64 };

    /// <summary>The largest manifest in bytes that is read back.</summary>
    internal const int MaxManifestBytes = 64 << 20;

    private readonly Folders _folders;
    private readonly TimeProvider _clock;
    private readonly FileStream? _lock;
    private readonly LinkIndex _index;
    private readonly DriveInfo _drive;
    private readonly ITimer _sweep;

    // Why the journal was not replayed: for clients, and with paths for the operator. Both are null when it was replayed.
    private readonly string? _unreplayed;
    private readonly string? _unreplayedDetails;

    private Volume(Folders folders, FileStream? held, TimeProvider clock, ILogger logger)
    {
        (_folders, _lock, _clock, Logger) = (folders, held, clock, logger);
        _drive = new(folders.Path);
        PushedRoot = new(Path.Combine(folders.Path, "docker/registry/v2"), Lifetime.Pushed);
        CachedRoot = new(Path.Combine(folders.Own, "cache/v2"), Lifetime.Cached);
        StagedRoot = new(Path.Combine(folders.Own, "staged/v2"), Lifetime.Staged);
        Files = new(folders.Temporary, folders.Durability);
        Damage = new(this);
        Steady = new(clock, folders, logger);
        Trash = new(folders.Trash, folders.Path, clock);
        Uses = new(clock);
        Catalog = new(PushedRoot);
        DecisionRing = new(folders.Decisions);
        JobFiles = new(folders.Jobs, Files);
        Uploads = new(folders.Uploads, this, clock);
        Fetches = new(folders.Fetches, this);
        Origins = new(Path.Combine(folders.Own, "cache/v2/origins"), Files, logger);
        var start = folders.NextStart();
        _index = Durability.Ended is null
            ? LinkIndex.Open(folders.Index, start.Generation, clock, logger)
            : LinkIndex.Off(folders.Index, clock, logger);
        Links = new(_index);
        Eviction = new(this, _index, clock, logger);
        StagedContent = new(this, clock);
        var applier = new Applier(this);
        var sequence = start.Sequence;
        try
        {
            var segments = Journal.Segments(folders.Journal);
            if (segments.Length > 0) Durability.CheckWrites();
            sequence = Math.Max(sequence, ReplayJournal(applier));
            EndSegments(segments, sequence);
        }
        catch (InvalidDataException e)
        {
            const string remedy = "pushes are refused until it is repaired; stop the gateway and run gateway repair";
            (_unreplayed, _unreplayedDetails) = ($"the journal is damaged; {remedy}", $"the journal is damaged ({e.Message}); {remedy}");
            Log.NotReplayed(logger, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            (_unreplayed, _unreplayedDetails) = (NotInPlace(Disk.WhyOf(e)), NotInPlace(e.Message));
            Log.NotReplayed(logger, e);
        }
        Committer = new(this, Journal.Create(folders.Journal, sequence, Durability), applier, clock, sequence);
        Sweep();
        // An hour: the step in which trash is kept and uploads age.
        _sweep = clock.CreateTimer(_ => Sweep(), null, TimeSpan.FromHours(1), TimeSpan.FromHours(1));
    }

    internal Root PushedRoot { get; }

    internal Root CachedRoot { get; }

    internal Root StagedRoot { get; }

    /// <summary>The clock for decisions.</summary>
    public SteadyClock Steady { get; }

    /// <summary>The log of the volume and of its parts.</summary>
    public ILogger Logger { get; }

    internal Durability Durability => _folders.Durability;

    internal SmallFiles Files { get; }

    internal Trash Trash { get; }

    /// <summary>The content that pushers used lately.</summary>
    internal RecentUses Uses { get; }

    /// <summary>Held while the bytes of some content are looked for and then moved.</summary>
    internal ByteLocks ByteLocks { get; } = new();

    /// <summary>How long removed content can be restored.</summary>
    public TrashLimits TrashLimits { set => Trash.Limits = value; }

    /// <summary>How long content stays that was used by a pusher and that nothing names.</summary>
    public TimeSpan Grace { set => Uses.Grace = value; }

    /// <summary>Why nothing may be collected now; null otherwise.</summary>
    internal string? WhyNoCollection => _unreplayed ?? WhyNoWrites ?? (Committer.HasUnapplied ? "changes wait for the disk" : null);

    internal Catalog Catalog { get; }

    /// <summary>The upload sessions.</summary>
    public Uploads Uploads { get; }

    /// <summary>The latest decisions.</summary>
    public DecisionRing DecisionRing { get; }

    /// <summary>The files of jobs.</summary>
    public JobFiles JobFiles { get; }

    /// <summary>The files of running fetches.</summary>
    public FetchFiles Fetches { get; }

    /// <summary>The upstream to which each cached link belongs.</summary>
    public Origins Origins { get; }

    internal Links Links { get; }

    /// <summary>Keeps the cached root below its size limit.</summary>
    public Eviction Eviction { get; }

    /// <summary>The cached content, which an operator can list and purge.</summary>
    public CachedRepositories CachedRepositories => new(this);

    /// <summary>Content that was accepted for upstreams and is not there yet.</summary>
    public StagedContent StagedContent { get; }

    internal Committer Committer { get; }

    internal ManifestCache Manifests { get; } = new();

    /// <summary>The files that are open for readers.</summary>
    public OpenFiles OpenFiles { get; } = new();

    internal RepositoryStates States { get; } = new();

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
        new(Task.Run(
            () =>
            {
                var folders = Folders.Make(path, logger);
                try
                {
                    return new Volume(folders, folders.TakeLock(), clock, logger);
                }
                catch
                {
                    folders.Durability.Dispose();
                    throw;
                }
            },
            cancellationToken));

    /// <summary>A built-in repository; its answers show whether it exists.</summary>
    public StoredRepository Pushed(RepositoryName name) => new(this, PushedRoot, name.Value);

    /// <summary>The cached content of an upstream's repository, under the upstream's own name for it.</summary>
    /// <param name="folder">The upstream's folder (<see cref="Origins.FolderOf"/>).</param>
    /// <param name="name">The upstream's own name of the repository.</param>
    public StoredRepository Cached(string folder, RepositoryName name) => new(this, CachedRoot, $"{folder}/{name.Value}");

    /// <summary>The staged content of an upstream's repository: accepted, but not there yet.</summary>
    /// <param name="folder">See <see cref="Cached"/>.</param>
    public StoredRepository Staged(string folder, RepositoryName name) => new(this, StagedRoot, $"{folder}/{name.Value}");

    /// <summary>Whether a built-in repository has, or has had, a held push.</summary>
    public bool MayHold(RepositoryName name) => Disk.HasFolder(PushedRoot.HeldPushes(name.Value));

    /// <summary>Whether a fronted repository has, or has had, a held push.</summary>
    /// <param name="folder">See <see cref="Cached"/>.</param>
    /// <param name="name">See <see cref="Cached"/>.</param>
    public bool MayHold(string folder, RepositoryName name) => Disk.HasFolder(StagedRoot.HeldPushes($"{folder}/{name.Value}"));

    /// <summary>A repository whose changes are journaled, by its <see cref="StoredRepository.FullName"/>.</summary>
    private StoredRepository Named(string fullName) => fullName.StartsWith(StoredRepository.StagedMark, StringComparison.Ordinal)
        ? new(this, StagedRoot, fullName[StoredRepository.StagedMark.Length..])
        : new(this, PushedRoot, fullName);

    /// <summary>
    /// The names of built-in repositories after <paramref name="last"/> in bytewise order, at most <paramref name="count"/>.
    /// </summary>
    public Page<RepositoryName> PushedAfter(string? last, int count) => Catalog.After(last, count);

    /// <summary>
    /// Makes everything written so far durable, records the number of the last change, and removes segments that are no longer needed.
    /// </summary>
    public void EndSegments(IReadOnlyList<string> segments, long sequence)
    {
        try
        {
            // Segments that were not replayed have acknowledged changes that are stored nowhere else.
            if (segments.Count == 0 || _unreplayed is not null) return;
            // A failed flush ends all writes, so this is not tried again, and the segments stay for the next start.
            Durability.FlushAll();
            _folders.NoteSequence(sequence);
            foreach (var segment in segments) File.Delete(segment);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.CheckpointFailed(Logger, e);
        }
    }

    private static string NotInPlace(string why) =>
        $"pushes from before the last stop could not be applied ({why}); correct the cause and restart the gateway";

    private long ReplayJournal(Applier applier)
    {
        var replay = new Replay(applier);
        var count = 0;
        long last = 0;
        foreach (var record in Journal.Read(_folders.Journal))
        {
            replay.Apply(Named(record.Repository), record);
            (last, count) = (record.Sequence, count + 1);
        }
        if (count > 0) Log.Replayed(Logger, count);
        return last;
    }

    private void Sweep()
    {
        if (WhyNoWrites is not null) return;
        // Each by itself: a folder that cannot be read must not prevent the cleanup of the others or the start of the gateway.
        Action[] all = [() => Trash.Empty(), Uploads.Sweep, () => Fetches.Sweep(_clock.GetUtcNow()), StagedContent.SweepBytes];
        foreach (var clear in all)
        {
            try
            {
                clear();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Log.SweepFailed(Logger, e);
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _sweep.DisposeAsync();
        await Steady.DisposeAsync();
        // Through the committer.
        await Eviction.EndRemovalsAsync();
        await Committer.DisposeAsync();
        await Eviction.DisposeAsync();
        await _index.DisposeAsync();
        OpenFiles.Dispose();
        Damage.Dispose();
        Trash.Dispose();
        if (_lock is not null) await _lock.DisposeAsync();
        Durability.Dispose();
    }
}
