namespace Gateway.Storage;

/// <summary>What a backup has.</summary>
/// <param name="Bytes">The bytes of all files; linked files take no additional room.</param>
/// <param name="IsLinked">Whether files are hard links; otherwise they are copies.</param>
/// <param name="Dropped">
/// Tags, as <c>repository:tag</c>, that are not in the backup because they or their manifests were deleted while it was made.
/// </param>
public sealed record BackupReport(int Repositories, int Files, long Bytes, bool IsLinked, IReadOnlyList<string> Dropped);

/// <summary>
/// Copies a volume while a gateway serves it, into a folder that another gateway can serve. Names are copied before what they name: the
/// journal, then tags and notes, then links of manifests, then links of blobs, then bytes. So each tag in the backup has its manifest and
/// blobs, and each change that was acknowledged before the start is in the files or in the journal, whose replay may apply it twice
/// (docs/design/0001-storage.md). Changes of the time of the copy may be in the backup or not.
/// </summary>
/// <remarks>
/// Files of a volume are replaced by renames and never written in place, so a hard link keeps what it was made of. The exceptions are
/// copied: the journal, the notes of the volume, and the times at which content was first seen.
/// </remarks>
public sealed class VolumeBackup
{
    private const string Pushed = "docker/registry/v2";
    private const string Cached = "gateway/cache/v2";

    private static readonly string[] Notes = ["format", "start", "sequence", "latest-moment"];

    private readonly string _from;
    private readonly string _to;
    private bool _links;
    private int _files;
    private long _bytes;

    private VolumeBackup(string from, string to, bool links) => (_from, _to, _links) = (from, to, links);

    /// <summary>Makes a backup.</summary>
    /// <param name="volume">The folder of the volume (<c>storage.path</c>).</param>
    /// <param name="to">The folder of the backup, which must be empty or absent. It is complete when this returns.</param>
    /// <param name="links">Whether to make hard links where the file system allows it; otherwise every file is copied.</param>
    /// <param name="withCache">Whether to include what was fetched from upstreams.</param>
    /// <exception cref="IOException">A folder cannot be used, or a file cannot be read or written.</exception>
    public static BackupReport Make(string volume, string to, bool links, bool withCache, CancellationToken cancellationToken)
    {
        var (from, target) = (Path.GetFullPath(volume).TrimEnd('/'), Path.GetFullPath(to).TrimEnd('/'));
        if (!Disk.HasFolder($"{from}/gateway") && !Disk.HasFolder($"{from}/docker"))
            throw new IOException($"expected a volume in {from}, got none; give the configuration of the gateway with --config");
        if (target == from || target.StartsWith($"{from}/docker", StringComparison.Ordinal)
            || target.StartsWith($"{from}/gateway", StringComparison.Ordinal))
            throw new IOException($"expected a folder outside of the volume's own folders, got {target}; give another folder");
        Directory.CreateDirectory(target);
        if (Disk.FilesIn(target).Concat(Disk.FoldersIn(target)).Any())
            throw new IOException($"expected an empty or absent folder, got {target} with files in it; give another folder");
        return new VolumeBackup(from, target, links).Run(withCache, cancellationToken);
    }

    private BackupReport Run(bool withCache, CancellationToken cancellationToken)
    {
        using var durability = new Durability(_to, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        foreach (var note in Notes) Copy($"gateway/{note}");
        foreach (var segment in Journal.Segments($"{_from}/gateway/journal")) Copy($"gateway/journal/{Path.GetFileName(segment)}");
        var roots = new List<string> { Pushed, "gateway/staged/v2" };
        if (withCache)
        {
            roots.Add(Cached);
            Tree($"{Cached}/origins", cancellationToken);
        }
        var (repositories, dropped) = (0, new List<string>());
        foreach (var root in roots)
        {
            var below = Repositories(_from, $"{root}/repositories").ToArray();
            foreach (var part in (string[])["_gateway", "_manifests/tags", "_manifests/revisions", "_layers"])
            {
                foreach (var repository in below) Tree($"{root}/repositories/{repository}/{part}", cancellationToken);
            }
            Tree($"{root}/blobs", cancellationToken);
            repositories += below.Length;
        }
        foreach (var root in roots)
        {
            foreach (var repository in Repositories(_to, $"{root}/repositories")) DropBroken(roots, root, repository, dropped);
        }
        // Another folder's flush: the backup is complete when the report says so.
        durability.FlushAll();
        return new(repositories, _files, _bytes, _links, dropped);
    }

    /// <summary>The repositories of a root, by their paths: folders with a folder that distribution or the gateway makes in each.</summary>
    private static IEnumerable<string> Repositories(string volume, string root)
    {
        var open = new Stack<string>([""]);
        while (open.TryPop(out var path))
        {
            var isRepository = false;
            foreach (var folder in Disk.FoldersIn($"{volume}/{root}/{path}"))
            {
                var name = Path.GetFileName(folder);
                var below = path.Length == 0 ? name : $"{path}/{name}";
                if (name.StartsWith('_')) isRepository = true;
                else if (Disk.IsWalked($"{volume}/{root}/{below}", $"{volume}/{root}")) open.Push(below);
            }
            if (isRepository && path.Length > 0) yield return path;
        }
    }

    /// <summary>Takes over a folder with everything below it.</summary>
    private void Tree(string folder, CancellationToken cancellationToken)
    {
        foreach (var file in Disk.FilesIn($"{_from}/{folder}"))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var path = $"{folder}/{Path.GetFileName(file)}";
            // Its target may be anywhere.
            if (Disk.IsLink(file)) continue;
            if (_links && MayLink(path)) Link(path);
            else Copy(path);
        }
        foreach (var below in Disk.FoldersIn($"{_from}/{folder}").Where(below => Disk.IsWalked(below, _from)))
            Tree($"{folder}/{Path.GetFileName(below)}", cancellationToken);
    }

    /// <summary>
    /// Whether a file can be a hard link in the backup. The gateway counts the bytes of a cached file as cached when the file has one name,
    /// so a backup must not add another to it, or to a file that the cache may share.
    /// </summary>
    private bool MayLink(string path) =>
        path.StartsWith(Pushed, StringComparison.Ordinal)
        // The one file of a repository that is appended to.
        && Path.GetFileName(path) != "seen"
        && !(path.StartsWith($"{Pushed}/blobs/", StringComparison.Ordinal) && Disk.HasFile($"{_from}/{Cached}{path[Pushed.Length..]}"));

    private void Link(string path)
    {
        var (source, target) = ($"{_from}/{path}", $"{_to}/{path}");
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        try
        {
            if (Posix.TryLink(source, target))
            {
                Count(target);
                return;
            }
        }
        catch (FileNotFoundException)
        {
            // It was replaced or deleted a moment ago; a replaced file has its name again.
            if (!Disk.HasFile(source)) return;
            Copy(path);
            return;
        }
        // Another file system, or one without hard links: all further files are copied.
        _links = false;
        Copy(path);
    }

    private void Copy(string path)
    {
        var (source, target) = ($"{_from}/{path}", $"{_to}/{path}");
        if (Disk.Find(source) is not { IsFolder: false } facts) return;
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        try
        {
            File.Copy(source, target);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            // It was deleted a moment ago, perhaps with its folder.
            return;
        }
        // A replay compares the times of links.
        File.SetLastWriteTimeUtc(target, facts.Written.UtcDateTime);
        Count(target);
    }

    private void Count(string target) => (_files, _bytes) = (_files + 1, _bytes + (Disk.LengthOf(target) ?? 0));

    /// <summary>
    /// Removes tags from the backup whose manifests, or what these name, were deleted before they were reached. A tag whose manifest lacks
    /// content in the volume too is copied as it is.
    /// </summary>
    private void DropBroken(IReadOnlyList<string> roots, string root, string repository, List<string> dropped)
    {
        var (copy, original) = (new Completeness(_to, roots, root, repository), new Completeness(_from, roots, root, repository));
        foreach (var folder in Disk.FoldersIn(copy.Root.Tags(repository)))
        {
            var digest = SmallFiles.ReadLink($"{folder}/current/link");
            // The upstream of a staged or cached manifest may have what it names.
            if (!digest.IsEmpty && copy.Has(digest)
                && (root != Pushed || copy.HasAll(digest) || (TagIn(original, folder) == digest && !original.HasAll(digest))))
                continue;
            // The tag may have had this state before, too: then there is nothing to lose.
            Directory.Delete(folder, recursive: true);
            dropped.Add($"{repository}:{Path.GetFileName(folder)}");
        }

        Digest TagIn(Completeness of, string folder) =>
            SmallFiles.ReadLink($"{of.Root.Tags(repository)}/{Path.GetFileName(folder)}/current/link");
    }
}
