namespace Gateway.Storage;

/// <summary>What the folders of a root hold, read from the disk.</summary>
internal static class RepositoryFolders
{
    private static readonly DigestAlgorithm[] Every = Enum.GetValues<DigestAlgorithm>();

    /// <summary>The path of every repository of a root, in no order. Throws <see cref="UnreadableException"/>.</summary>
    /// <param name="unwalked">
    /// Receives each symbolic link that is not followed: one behind another link, and one without a folder at its end. Repositories behind
    /// it may be served, and are not in the result.
    /// </param>
    public static IEnumerable<string> In(Root root, Action<string>? unwalked = null)
    {
        var top = root.Repositories;
        // The volume behind it may not be mounted.
        if (unwalked is not null && Disk.IsLink(top) && !Disk.HasFolder(top)) unwalked(top);
        foreach (var link in LinksIn(top)) unwalked?.Invoke(link);
        var folders = new Stack<string>(Disk.FoldersIn(top));
        while (folders.TryPop(out var folder))
        {
            var children = Disk.FoldersIn(folder).Select(child => Path.GetFileName(child)).ToArray();
            if (children.Any(static child => child is "_manifests" or "_layers" or "_gateway"))
                yield return Path.GetRelativePath(top, folder);
            foreach (var link in LinksIn(folder)) unwalked?.Invoke(link);
            foreach (var child in children.Where(static child => !child.StartsWith('_')).Select(child => $"{folder}/{child}"))
            {
                if (Disk.IsWalked(child, top)) folders.Push(child);
                else unwalked?.Invoke(child);
            }
        }

        // Links that lead to no folder.
        IEnumerable<string> LinksIn(string folder) => unwalked is null ? [] : Disk.FilesIn(folder).Where(Disk.IsLink);
    }

    /// <summary>The digest and the file of all content whose bytes are in a root, in no order.</summary>
    public static IEnumerable<(Digest Digest, string Data)> Contents(Root root)
    {
        foreach (var algorithm in Disk.FoldersIn(root.Blobs))
        {
            foreach (var folder in Disk.FoldersIn(algorithm).SelectMany(Disk.FoldersIn))
            {
                if (Digest.TryParse($"{Path.GetFileName(algorithm)}:{Path.GetFileName(folder)}", out var digest))
                    yield return (digest, $"{folder}/data");
            }
        }
    }

    /// <summary>The digest in the name of a small file, <c>algorithm-hex</c>; empty for another name.</summary>
    public static Digest DigestOf(string file) =>
        Digest.TryParse(Path.GetFileName(file).Replace('-', ':'), out var digest) ? digest : default;

    /// <summary>The notes that something is evidence, in one of the folders of a repository; in no order.</summary>
    public static IEnumerable<Digest> EvidenceIn(string folder) =>
        Disk.FoldersIn(folder).SelectMany(Disk.FoldersIn).SelectMany(Disk.FilesIn).Select(DigestOf).Where(static d => !d.IsEmpty);

    /// <summary>The digests of every linked manifest, in no order; only those of one algorithm if it is given.</summary>
    public static IEnumerable<Digest> Manifests(Root root, string path, DigestAlgorithm? algorithm = null) =>
        Linked(name => root.Revisions(path, name), algorithm is { } one ? [one] : Every);

    /// <summary>
    /// The digests of every linked blob, in no order; their bytes may have been removed. Only those of one algorithm if it is given.
    /// </summary>
    public static IEnumerable<Digest> Blobs(Root root, string path, DigestAlgorithm? algorithm = null) =>
        Linked(name => root.Layers(path, name), algorithm is { } one ? [one] : Every);

    /// <summary>The names of all tags, in no order.</summary>
    public static IEnumerable<string> Tags(Root root, string path)
    {
        foreach (var tag in Disk.FoldersIn(root.Tags(path)))
        {
            // An interrupted delete of another program leaves a folder without a binding.
            if (TagName.TryParse(Path.GetFileName(tag), out var name) && Disk.HasFile(root.TagLink(path, name))) yield return name.Value;
        }
    }

    private static IEnumerable<Digest> Linked(Func<string, string> folderOf, DigestAlgorithm[] algorithms)
    {
        foreach (var algorithm in algorithms)
        {
            foreach (var each in Disk.FoldersIn(folderOf(Digest.NameOf(algorithm))))
            {
                if (Digest.TryParse($"{Digest.NameOf(algorithm)}:{Path.GetFileName(each)}", out var digest) && Disk.HasFile($"{each}/link"))
                    yield return digest;
            }
        }
    }
}
