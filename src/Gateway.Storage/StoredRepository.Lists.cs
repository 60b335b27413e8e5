using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>The tags, manifests and blobs of the repository, as its folders list them.</summary>
public sealed partial class StoredRepository
{
    /// <inheritdoc/>
    public IReadOnlyList<Digest> HistoryOf(TagName tag)
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

    private IEnumerable<string> TagNames()
    {
        foreach (var tag in Disk.FoldersIn(Root.Tags(Path)))
        {
            // An interrupted delete of another program leaves a folder without a binding.
            if (TagName.TryParse(System.IO.Path.GetFileName(tag), out var name) && Disk.HasFile(Root.TagLink(Path, name)))
                yield return name.Value;
        }
    }

    /// <summary>All tags, read from the disk.</summary>
    public IEnumerable<TagName> Tags() => TagNames().Select(t => TagName.Parse(t));

    /// <summary>The tags bound to a manifest. Reads every tag on first use.</summary>
    public IAsyncEnumerable<TagName> TagsOfAsync(Digest digest) => TagsOf(digest).ToAsyncEnumerable();

    /// <summary>See <see cref="TagsOfAsync"/>.</summary>
    public IEnumerable<TagName> TagsOf(Digest digest) => Tags().Where(t => Live(t)?.Live == digest);

    /// <inheritdoc/>
    public bool IsPushed(Digest manifest) =>
        Root.Lifetime != Lifetime.Cached && _volume.Links.Find(this, LinkKind.Manifest, manifest) is not null;

    /// <inheritdoc/>
    public IAsyncEnumerable<Digest> ManifestsAsync(DigestAlgorithm? algorithm = null) => Manifests(algorithm).ToAsyncEnumerable();

    /// <summary>See <see cref="ManifestsAsync"/>.</summary>
    public IEnumerable<Digest> Manifests(DigestAlgorithm? algorithm = null) =>
        Linked(name => Root.Revisions(Path, name), algorithm is { } one ? [one] : Enum.GetValues<DigestAlgorithm>());

    /// <summary>The digests of every blob that is linked here, in no order; their bytes may have been removed.</summary>
    public IEnumerable<Digest> Blobs() => Linked(name => Root.Layers(Path, name), Enum.GetValues<DigestAlgorithm>());

    private static IEnumerable<Digest> Linked(Func<string, string> folderOf, DigestAlgorithm[] algorithms)
    {
        foreach (var algorithm in algorithms)
        {
            foreach (var each in Disk.FoldersIn(folderOf(Digest.NameOf(algorithm))))
            {
                if (Digest.TryParse($"{Digest.NameOf(algorithm)}:{System.IO.Path.GetFileName(each)}", out var digest)
                    && Disk.HasFile($"{each}/link"))
                    yield return digest;
            }
        }
    }
}
