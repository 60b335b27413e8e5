namespace Gateway.Storage;

/// <summary>Removes notes of a cached repository: evidence, upstream lists and empty folders. A lost note is only a miss.</summary>
internal static class CacheRemoval
{
    /// <summary>Removes the notes that a manifest is evidence about a subject.</summary>
    public static void RemoveEvidence(StoredRepository repository, Operation.RemoveEvidence operation)
    {
        var (root, path) = (repository.Root, repository.Path);
        Delete(root.Referrer(path, operation.Subject, operation.Evidence));
        Delete(root.Evidence(path, operation.Subject, operation.Evidence));
        DeleteIfEmpty(root.Referrers(path, operation.Subject));
        DeleteIfEmpty(root.Evidence(path, operation.Subject));
    }

    /// <summary>Removes the list of a subject's referrers that an upstream sent.</summary>
    public static void RemoveListed(StoredRepository repository, Operation.RemoveListed operation) =>
        Delete(repository.Root.Listed(repository.Path, operation.Subject));

    /// <summary>Removes every note of evidence and referrers.</summary>
    public static void RemoveAllEvidence(SmallFiles files, StoredRepository repository)
    {
        var (root, path) = (repository.Root, repository.Path);
        foreach (var notes in (string[])[root.Listed(path), root.Referrers(path), root.Evidence(path)]) Away(files, notes);
    }

    /// <summary>Removes the repository's folders, and the folders above it, where they are empty.</summary>
    public static void RemoveEmpty(SmallFiles files, StoredRepository repository)
    {
        if (!IsEmpty(repository)) return;
        var root = repository.Root;
        var folder = root.Repository(repository.Path);
        foreach (var part in (string[])["_manifests", "_layers", "_gateway"]) Away(files, $"{folder}/{part}");
        while (folder.Length > root.Repositories.Length && DeleteIfEmpty(folder)) folder = Path.GetDirectoryName(folder)!;
    }

    // First-seen times are removed too: content that is fetched again counts as new, which is never less strict than the policy requires.
    private static bool IsEmpty(StoredRepository repository) =>
        !repository.Manifests().Any() && !repository.Blobs().Any() && !repository.Tags().Any()
        && !Disk.FilesIn(repository.Root.Listed(repository.Path)).Any();

    // Moves the folder in one step, so that no reader finds half of it. The files are deleted later, and not by the committer.
    private static void Away(SmallFiles files, string folder)
    {
        if (!Disk.HasFolder(folder)) return;
        var gone = files.Temporary();
        Directory.Move(folder, gone);
        _ = Task.Run(() => Directory.Delete(gone, recursive: true));
    }

    private static void Delete(string file)
    {
        if (Disk.HasFile(file)) File.Delete(file);
    }

    private static bool DeleteIfEmpty(string folder)
    {
        if (!Disk.HasFolder(folder) || Directory.EnumerateFileSystemEntries(folder).Any()) return false;
        Directory.Delete(folder);
        return true;
    }
}
