namespace Gateway.Storage;

/// <summary>Counts what a collection removes, and writes its report.</summary>
internal sealed class CollectionTally(bool isDryRun)
{
    /// <summary>The largest number of notes of one collection. Chosen: what a person reads.</summary>
    private const int MaxNotes = 100;

    private readonly Dictionary<Lifetime, CollectedRoot> _roots = new()
    {
        [Lifetime.Pushed] = new("pushed", 0, 0, 0, 0), [Lifetime.Cached] = new("cached", 0, 0, 0, 0),
        [Lifetime.Staged] = new("staged", 0, 0, 0, 0),
    };

    private readonly List<CollectedItem> _items = [];
    private readonly List<string> _notes = [];

    /// <summary>The content of every link that a dry run would remove.</summary>
    public HashSet<Digest> UnlinkedContent { get; } = [];

    /// <summary>What nothing needs, and what was used lately.</summary>
    public long Recent { get; set; }

    public int Uploads { get; set; }

    public long TrashBytes { get; set; }

    /// <summary>Counts a link of a manifest.</summary>
    public void Manifest(StoredRepository repository, Digest digest)
    {
        if (isDryRun) UnlinkedContent.Add(digest);
        Add(repository.Root.Lifetime, "manifest", $"{repository.Path}@{digest}", 0, root => root with { Manifests = root.Manifests + 1 });
    }

    /// <summary>Counts a link of a blob.</summary>
    public void Link(StoredRepository repository, Digest digest)
    {
        if (isDryRun) UnlinkedContent.Add(digest);
        Add(repository.Root.Lifetime, "link", $"{repository.Path}@{digest}", 0, root => root with { Links = root.Links + 1 });
    }

    /// <summary>Counts bytes.</summary>
    public void Content(Root of, Digest digest, long bytes) => Add(
        of.Lifetime, "blob", digest.ToString(), bytes,
        root => root with { Contents = root.Contents + 1, Bytes = root.Bytes + bytes });

    /// <summary>Tells the operator something, in one sentence.</summary>
    public void Note(string note)
    {
        if (_notes.Count < MaxNotes) _notes.Add(note);
    }

    /// <summary>Tells the operator about a symbolic link that is not followed, and that keeps the bytes of a root.</summary>
    public void Unwalked(Root root, string link) => Note(
        $"{_roots[root.Lifetime].Root}: {Path.GetRelativePath(root.Repositories, link)} is a symbolic link behind another one, or leads "
        + "to no folder, so no bytes of this root are removed; put the folder in its place, or remove the link");

    public CollectionReport Report() =>
        new(isDryRun, [.. _roots.Values], Uploads, TrashBytes, Recent, _items, _notes);

    private void Add(Lifetime lifetime, string what, string name, long bytes, Func<CollectedRoot, CollectedRoot> count)
    {
        var root = _roots[lifetime] = count(_roots[lifetime]);
        if (_items.Count < CollectionReport.MaxItems) _items.Add(new(root.Root, what, name, bytes));
    }
}
