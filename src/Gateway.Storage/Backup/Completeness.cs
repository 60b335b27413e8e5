namespace Gateway.Storage;

/// <summary>Whether a repository of a volume has everything that its manifests name. It reads the files only.</summary>
internal sealed class Completeness
{
    // Content is found in whichever root has its bytes.
    private readonly Root[] _all;
    private readonly string _repository;
    private readonly Dictionary<Digest, bool> _known = [];

    /// <param name="volume">The folder of the volume, or of its copy.</param>
    /// <param name="roots">The roots with bytes, below the volume.</param>
    public Completeness(string volume, IEnumerable<string> roots, string root, string repository)
    {
        _all = [.. roots.Select(each => new Root($"{volume}/{each}", Lifetime.Pushed))];
        (Root, _repository) = (new($"{volume}/{root}", Lifetime.Pushed), repository);
    }

    public Root Root { get; }

    /// <summary>Whether the repository links a manifest, and its bytes are stored.</summary>
    public bool Has(Digest manifest) => Find(LinkKind.Manifest, manifest) is not null;

    /// <summary>The same, and that it has all manifests and blobs that the manifest names, and that these name.</summary>
    public bool HasAll(Digest manifest)
    {
        if (_known.TryGetValue(manifest, out var known)) return known;
        return _known[manifest] = Find(LinkKind.Manifest, manifest) is { } data && HasNamed(data);
    }

    private bool HasNamed(string data)
    {
        // A document of another kind, which an older registry stored, names nothing that the gateway serves.
        if (Disk.LengthOf(data) is null or > StoredManifest.MaxBytes || Disk.Bytes(data, StoredManifest.MaxBytes) is not { } bytes
            || ManifestReader.Read(bytes, null, StoredManifest.ReadBackLimits).Manifest is not { } manifest)
            return true;
        return manifest.AllBlobs.All(blob => !blob.Urls.IsEmpty || Find(LinkKind.Blob, blob.Digest) is not null)
            && manifest.Children.All(child => !MediaTypes.IsManifest(child.MediaType) || HasAll(child.Digest));
    }

    private string? Find(LinkKind kind, Digest digest)
    {
        var target = SmallFiles.ReadLink(Root.Link(_repository, kind, digest));
        return target.IsEmpty ? null : _all.Select(each => each.Data(target)).FirstOrDefault(Disk.HasFile);
    }
}
