namespace Gateway.Storage;

/// <summary>
/// The repositories of a volume, by root and name. It returns one for any name; the answers of the repository show whether it exists.
/// </summary>
public sealed class StoredRepositories
{
    private readonly RepositoryStates _states = new();
    private readonly Roots _roots;
    private readonly Catalog _catalog;
    private readonly Holders _holders;
    private readonly RepositoryParts _parts;

    internal StoredRepositories(Roots roots, Catalog catalog, Holders holders, RepositoryParts parts) =>
        (_roots, _catalog, _holders, _parts) = (roots, catalog, holders, parts);

    /// <summary>The logs that this gateway shares with others; null when its own disk has the truth.</summary>
    internal SharedLogs? Logs { get; init; }

    /// <summary>Learns what other gateways have changed; null when there are none.</summary>
    internal SharedPoll? Poll { get; set; }

    /// <summary>
    /// Makes the list of built-in repositories up to date with other gateways, if there are any. While the bucket does not answer, the list
    /// stays as it is.
    /// </summary>
    public async ValueTask ListAgainAsync(CancellationToken cancellationToken)
    {
        if (Poll is not { } poll) return;
        try
        {
            await poll.RunAsync().WaitAsync(cancellationToken);
        }
        catch (IOException)
        {
            // The last known list is served.
        }
    }

    /// <summary>
    /// Makes the copies of all shared repositories up to date. Throws <see cref="IOException"/> when the bucket does not answer.
    /// </summary>
    internal Task PollAsync(CancellationToken cancellationToken) =>
        Poll is { } poll ? poll.RunAsync().WaitAsync(cancellationToken) : Task.CompletedTask;

    /// <summary>A built-in repository as clients see it: up to date with other gateways, where the pushed root is shared.</summary>
    public IBacking BuiltIn(RepositoryName name) => Logs is { } logs ? logs.Backing(Pushed(name)) : Pushed(name);

    /// <summary>A built-in repository as far as this gateway's disk knows it.</summary>
    public StoredRepository Pushed(RepositoryName name) => Of(_roots.Pushed, name.Value);

    /// <summary>The cached content of an upstream's repository, under the upstream's own name for it.</summary>
    /// <param name="folder">The upstream's folder (<see cref="Origins.FolderOf"/>).</param>
    /// <param name="name">The upstream's own name of the repository.</param>
    public StoredRepository Cached(string folder, RepositoryName name) => CachedAt($"{folder}/{name.Value}");

    /// <summary>The staged content of an upstream's repository: accepted, but not there yet.</summary>
    /// <param name="folder">See <see cref="Cached"/>.</param>
    public StoredRepository Staged(string folder, RepositoryName name) => StagedAt($"{folder}/{name.Value}");

    /// <summary>The staged repository with this path below the root (<see cref="StagedContent.Repositories"/>).</summary>
    public StoredRepository StagedAt(string path) => Of(_roots.Staged, path);

    /// <summary>
    /// The paths of repositories that have held pushes, in no order: built-in ones, and those of the staged root (see <see
    /// cref="StagedAt"/>). The first call reads them from the disk.
    /// </summary>
    public Task<(string[] Pushed, string[] Staged)> HoldersAsync() => _holders.AllAsync();

    internal StoredRepository CachedAt(string path) => Of(_roots.Cached, path);

    /// <summary>
    /// The folder and the own name of a staged repository, by its <see cref="StoredRepository.FullName"/>; null for a built-in one.
    /// </summary>
    public static (string Folder, RepositoryName Own)? StagedPlace(string fullName)
    {
        if (!fullName.StartsWith(StoredRepository.StagedMark, StringComparison.Ordinal)) return null;
        var path = fullName[StoredRepository.StagedMark.Length..];
        var slash = path.IndexOf('/', StringComparison.Ordinal);
        return RepositoryName.TryParse(path.AsSpan(slash + 1), out var own) ? (path[..Math.Max(0, slash)], own) : null;
    }

    /// <summary>
    /// A repository whose changes are journaled, by its <see cref="StoredRepository.FullName"/>. Null when its truth is in a bucket that
    /// this process does not use. Throws <see cref="IOException"/> when this process uses a bucket, and the change is of the time before.
    /// </summary>
    internal StoredRepository? Journaled(string fullName)
    {
        if (fullName.StartsWith(StoredRepository.StagedMark, StringComparison.Ordinal))
            return StagedAt(fullName[StoredRepository.StagedMark.Length..]);
        var isShared = fullName.StartsWith(StoredRepository.SharedMark, StringComparison.Ordinal);
        if (isShared) return _roots.Pushed.IsShared ? Of(_roots.Pushed, fullName[StoredRepository.SharedMark.Length..]) : null;
        return _roots.Pushed.IsShared
            ? throw new IOException(
                $"expected a journal without changes of the time before storage.s3, got one of {fullName}; "
                + "start the gateway once without storage.s3 and stop it")
            : Of(_roots.Pushed, fullName);
    }

    /// <summary>
    /// The names of built-in repositories after <paramref name="last"/> in bytewise order, at most <paramref name="count"/>.
    /// </summary>
    public Page<RepositoryName> PushedAfter(string? last, int count) => _catalog.After(last, count);

    internal StoredRepository Of(Root root, string path) => new(root, path, _states.Get(root, path), _parts);
}

/// <summary>The parts of a volume that each of its repositories uses.</summary>
internal sealed record RepositoryParts(
    Links Links, ManifestCache Manifests, VolumeContent Content, Damage Damage, SmallFiles Files, Uploads Uploads, RecentUses Uses,
    CacheRoom Room, ICommitter Committer);
