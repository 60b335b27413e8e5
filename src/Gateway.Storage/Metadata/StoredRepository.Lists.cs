namespace Gateway.Storage;

/// <summary>The tags, manifests and blobs of the repository, as its folders list them.</summary>
public sealed partial class StoredRepository
{
    /// <inheritdoc/>
    public IReadOnlyList<Digest> HistoryOf(TagName tag) => Root.Lifetime == Lifetime.Cached ? EarlierOf(tag) : [];

    /// <inheritdoc/>
    public IReadOnlyList<Digest> EarlierOf(TagName tag)
    {
        if (Disk.Text(Root.History(Path, tag)) is not { } text) return [];
        return [.. text.Split('\n').Select(line => Digest.TryParse(line, out var digest) ? digest : default).Where(d => !d.IsEmpty)];
    }

    /// <inheritdoc/>
    public async ValueTask<Result<Page<TagName>>> TagsAfterAsync(string? last, int count, CancellationToken cancellationToken)
    {
        var page = await _state.TagsAfterAsync(last, count, TagNames, cancellationToken);
        return page.Items.Count > 0 || Exists
            ? new Result<Page<TagName>>.Found(page, CacheHandling.Hit)
            : new Result<Page<TagName>>.Absent(CacheHandling.Local);
    }

    /// <summary>Whether the repository has, or has had, a manifest.</summary>
    public bool Exists => Disk.HasFolder($"{Root.Repository(Path)}/_manifests");

    private IEnumerable<string> TagNames() => RepositoryFolders.Tags(Root, Path);

    /// <summary>All tags, read from the disk.</summary>
    public IEnumerable<TagName> Tags() => TagNames().Select(t => TagName.Parse(t));

    /// <summary>The tags bound to a manifest. Reads every tag on first use.</summary>
    public IAsyncEnumerable<TagName> TagsOfAsync(Digest digest) => TagsOf(digest).ToAsyncEnumerable();

    /// <summary>See <see cref="TagsOfAsync"/>.</summary>
    public IEnumerable<TagName> TagsOf(Digest digest) => Tags().Where(t => Live(t)?.Live == digest);

    /// <inheritdoc/>
    public bool IsPushed(Digest manifest) =>
        Root.Lifetime != Lifetime.Cached && _parts.Links.Find(this, LinkKind.Manifest, manifest) is not null;

    /// <inheritdoc/>
    public IAsyncEnumerable<Digest> ManifestsAsync(DigestAlgorithm? algorithm = null) => Manifests(algorithm).ToAsyncEnumerable();

    /// <summary>See <see cref="ManifestsAsync"/>.</summary>
    public IEnumerable<Digest> Manifests(DigestAlgorithm? algorithm = null) =>
        RepositoryFolders.Manifests(Root, Path, algorithm);

    /// <summary>The digests of every blob that is linked here, in no order; their bytes may have been removed.</summary>
    public IEnumerable<Digest> Blobs() => RepositoryFolders.Blobs(Root, Path);
}
