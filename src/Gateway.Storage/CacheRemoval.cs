using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>What is removed of a cached repository beside links and tags. A lost note is a miss.</summary>
internal static class CacheRemoval
{
    public static void Apply(Volume volume, StoredRepository repository, Operation operation)
    {
        var (root, path) = (repository.Root, repository.Path);
        switch (operation)
        {
            case Operation.RemoveEvidence o:
                Delete(root.Referrer(path, o.Subject, o.Evidence));
                Delete(root.Evidence(path, o.Subject, o.Evidence));
                DeleteIfEmpty(root.Referrers(path, o.Subject));
                DeleteIfEmpty(root.Evidence(path, o.Subject));
                break;
            case Operation.RemoveListed o:
                Delete(root.Listed(path, o.Subject));
                break;
            case Operation.RemoveAllEvidence:
                foreach (var notes in (string[])[root.Listed(path), root.Referrers(path), root.Evidence(path)]) Away(volume, notes);
                break;
            case Operation.RemoveEmpty when IsEmpty(repository):
                var folder = root.Repository(path);
                foreach (var part in (string[])["_manifests", "_layers", "_gateway"]) Away(volume, $"{folder}/{part}");
                while (folder.Length > root.Repositories.Length && DeleteIfEmpty(folder)) folder = Path.GetDirectoryName(folder)!;
                break;
        }
    }

    // First-seen times go too: what comes again is as young as it is here, which is never less strict than the policy asks.
    private static bool IsEmpty(StoredRepository repository) =>
        !repository.Manifests().Any() && !repository.Blobs().Any() && !repository.Tags().Any()
        && !Disk.FilesIn(repository.Root.Listed(repository.Path)).Any();

    // In one step, so that nobody finds half of it; ten thousand files are then deleted by nobody who commits.
    private static void Away(Volume volume, string folder)
    {
        if (!Disk.HasFolder(folder)) return;
        var gone = volume.Files.Temporary();
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
