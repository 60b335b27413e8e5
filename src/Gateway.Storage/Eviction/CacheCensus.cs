namespace Gateway.Storage;

/// <summary>
/// Counts the content of the cached root that earlier processes stored: one walk over the contents and one over the repositories. Content
/// that is stored during the walk counts itself. The walk may find it too; it is the same entry.
/// </summary>
internal sealed class CacheCensus(Root root, LinkIndex index)
{
    private readonly List<(DigestKey Key, long Length, DateTimeOffset Written)> _contents = [];
    private readonly List<(Digest Owner, Note Note, long Cost)> _notes = [];
    private readonly List<Digest> _tagged = [];

    /// <summary>Reads the disk. Throws <see cref="IOException"/>; what was found before the failure counts.</summary>
    public void Read(CancellationToken stop)
    {
        foreach (var content in Contents().TakeWhile(_ => !stop.IsCancellationRequested)) _contents.Add(content);
        foreach (var repository in CachedRepositories.In(root).TakeWhile(_ => !stop.IsCancellationRequested))
            ReadNotes(repository.ToString());
    }

    /// <summary>Adds the contents and notes that were found to the ledger.</summary>
    public void Enter(CacheLedger ledger)
    {
        foreach (var (key, length, _) in _contents) ledger.Stored(key, length);
        foreach (var (owner, note, cost) in _notes) ledger.Noted(new(owner), note, cost);
        foreach (var digest in _tagged) ledger.Charge(new(digest), DiskCost.Tag);
    }

    /// <summary>The contents of the ledger, oldest file first.</summary>
    public IEnumerable<DigestKey> InOrder(CacheLedger ledger)
    {
        var written = _contents.ToDictionary(static c => c.Key, static c => c.Written);
        return ledger.Keys.OrderBy(key => written.GetValueOrDefault(key, DateTimeOffset.MaxValue));
    }

    private IEnumerable<(DigestKey Key, long Length, DateTimeOffset Written)> Contents()
    {
        foreach (var (digest, data) in RepositoryFolders.Contents(root))
        {
            if (Disk.Find(data) is { Names: 1 } file) yield return (new(digest), file.Length, file.Written);
        }
    }

    private void ReadNotes(string path)
    {
        foreach (var digest in RepositoryFolders.Manifests(root, path))
            _notes.Add((digest, new(path, NoteKind.Manifest, digest), DiskCost.Link));
        foreach (var digest in RepositoryFolders.Blobs(root, path))
            _notes.Add((OwnerOf(path, digest), new(path, NoteKind.Blob, digest), DiskCost.Link));
        var bound = RepositoryFolders.Tags(root, path).Select(tag => SmallFiles.ReadLink(root.TagLink(path, TagName.Parse(tag))));
        _tagged.AddRange(bound.Where(static d => !d.IsEmpty));
        foreach (var folder in (string[])[root.Referrers(path), root.Evidence(path)])
        {
            foreach (var file in Disk.FoldersIn(folder).SelectMany(Disk.FoldersIn).SelectMany(Disk.FilesIn)) ReadEvidence(path, file);
        }
        foreach (var file in Disk.FilesIn(root.Listed(path)))
        {
            if (RepositoryFolders.DigestOf(file) is { IsEmpty: false } subject && Disk.LengthOf(file) is { } length)
                _notes.Add((subject, new(path, NoteKind.Listed, subject), DiskCost.OfFile(length)));
        }
    }

    // …/<algorithm>/<subject>/<algorithm>-<evidence>
    private void ReadEvidence(string path, string file)
    {
        var folder = Path.GetDirectoryName(file)!;
        var algorithm = Path.GetFileName(Path.GetDirectoryName(folder));
        if (RepositoryFolders.DigestOf(file) is { IsEmpty: false } evidence
            && Digest.TryParse($"{algorithm}:{Path.GetFileName(folder)}", out var subject))
            _notes.Add((evidence, new(path, NoteKind.Evidence, subject), DiskCost.Evidence));
    }

    private Digest OwnerOf(string path, Digest blob) =>
        index.TryRead(LinkKey.Of((byte)Lifetime.Cached, path, LinkKind.Blob, blob), out var link)
        && link.Parent.ToDigest() is { IsEmpty: false } parent
            ? parent
            : blob;
}
