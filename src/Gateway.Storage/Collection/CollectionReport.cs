namespace Gateway.Storage;

/// <summary>What a collection is asked for.</summary>
/// <param name="IsDryRun">Only report.</param>
/// <param name="Untagged">
/// The age from which manifests that nothing refers to are removed, counted from their push; null when they stay.
/// </param>
/// <param name="Upstreams">The folders of the configured upstreams (<see cref="Origins.FolderOf"/>).</param>
public sealed record CollectionRequest(bool IsDryRun, TimeSpan? Untagged, IReadOnlySet<string> Upstreams)
{
    /// <summary>
    /// The names of pushed repositories whose evidence may be about content of other repositories. A collection removes no evidence there.
    /// </summary>
    public IReadOnlySet<string> SignatureRepositories { get; init; } = new HashSet<string>();

    /// <summary>Whether the link of some content may be removed; null when every one may.</summary>
    internal Func<Digest, bool>? Allows { get; init; }

    /// <summary>Whether the link of some content may be removed.</summary>
    internal bool MayRemove(Digest digest) => Allows is not { } allows || allows(digest);
}

/// <summary>Something that a collection removed, or would remove.</summary>
/// <param name="What"><c>manifest</c>, <c>blob</c>, <c>link</c>, <c>upload</c> or <c>staged</c>.</param>
/// <param name="Name">Repository and digest, or the digest alone for bytes that no repository links.</param>
/// <param name="Bytes">Bytes of a blob or manifest; 0 for a link.</param>
public sealed record CollectedItem(string Root, string What, string Name, long Bytes);

/// <summary>The number of removed things of one root.</summary>
/// <param name="Root"><c>pushed</c>, <c>cached</c> or <c>staged</c>.</param>
/// <param name="Manifests">Links of manifests.</param>
/// <param name="Links">Links of blobs.</param>
/// <param name="Contents">Blobs and manifests whose bytes were removed, because no repository of the root links them.</param>
/// <param name="Bytes">Bytes of these contents.</param>
public sealed record CollectedRoot(string Root, long Manifests, long Links, long Contents, long Bytes);

/// <summary>The result of a collection.</summary>
/// <param name="Roots">One for each root.</param>
/// <param name="Uploads">Expired upload sessions.</param>
/// <param name="TrashBytes">Bytes that were deleted from the trash.</param>
/// <param name="Recent">Links and contents that nothing needs, but that were used within the grace time.</param>
/// <param name="Items">The first <see cref="MaxItems"/> removals.</param>
/// <param name="Notes">What the operator should know, one sentence each.</param>
public sealed record CollectionReport(
    bool DryRun, IReadOnlyList<CollectedRoot> Roots, int Uploads, long TrashBytes, long Recent, IReadOnlyList<CollectedItem> Items,
    IReadOnlyList<string> Notes)
{
    /// <summary>Whether removed pushed content stays in the trash for a while; false for content in a bucket.</summary>
    public bool HasTrash { get; init; } = true;

    /// <summary>The largest number of listed items; the counts include all. Chosen: what a person reads.</summary>
    public const int MaxItems = 1000;

    /// <summary>Bytes of all roots.</summary>
    public long Bytes => Roots.Sum(static root => root.Bytes);
}

/// <summary>What a collection does now.</summary>
/// <param name="Step">The part of the work, in a few words.</param>
/// <param name="Done">How many units are done.</param>
/// <param name="Unit">The unit in the plural.</param>
public readonly record struct CollectionProgress(string Step, long Done, string Unit);
