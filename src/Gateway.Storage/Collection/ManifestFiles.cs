namespace Gateway.Storage;

/// <summary>
/// Reads manifests for background work: from the disk, without counting a use, and without displacing what clients have open. Those of a
/// shared repository are read from its bucket if the disk has no copy.
/// </summary>
internal sealed class ManifestFiles(ManifestCache manifests, VolumeContent content, IReadOnlyList<Root> roots)
{
    /// <summary>The content that a link leads to; empty when there is no link.</summary>
    public static Digest TargetOf(StoredRepository repository, LinkKind kind, Digest digest) =>
        SmallFiles.ReadLink(repository.Root.Link(repository.Path, kind, digest));

    /// <summary>
    /// The document of a manifest of a repository, from whichever root has its bytes whole; null when none has, and when the document
    /// cannot be parsed, such as schema 1.
    /// </summary>
    public async ValueTask<(Manifest? Manifest, Digest Target, long Length)> ReadAsync(
        StoredRepository repository, Digest digest, CancellationToken cancellationToken)
    {
        var target = TargetOf(repository, LinkKind.Manifest, digest);
        if (target.IsEmpty) return default;
        if (manifests.Find(digest) is { } known) return (known.Manifest, target, known.Bytes.Length);
        if (await BytesAsync(repository.Root, target, cancellationToken) is not { } bytes) return (null, target, 0);
        return (ManifestReader.Read(bytes, null, StoredManifest.ReadBackLimits).Manifest, target, bytes.Length);
    }

    /// <summary>The bytes of a manifest, from this root or from another one; null when none has them whole.</summary>
    public async ValueTask<byte[]?> BytesAsync(Root first, Digest target, CancellationToken cancellationToken)
    {
        if (first.IsShared) return await content.ReadDocumentAsync(first.Lifetime, target, cancellationToken);
        foreach (var root in roots.OrderBy(root => root != first))
        {
            if (Disk.LengthOf(root.Data(target)) is > StoredManifest.MaxBytes) continue;
            if (Disk.Bytes(root.Data(target), StoredManifest.MaxBytes) is { } bytes && Digest.Of(bytes, target.Algorithm) == target)
                return bytes;
        }
        return null;
    }
}
