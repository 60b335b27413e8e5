namespace Gateway.Storage;

/// <summary>
/// Removes the staged content of upstreams that are no longer configured. A repository with a push that waits to be forwarded or to be
/// admitted keeps everything: the gateway acknowledged the push. The staged content of other upstreams is removed when they have it
/// (<see cref="StagedContent"/>).
/// </summary>
internal sealed class StagedCollection(StoredRepositories repositories, Root root, StagedContent staged, CollectionRun run)
{
    /// <summary>Collects every staged repository.</summary>
    public async Task RunAsync()
    {
        var done = 0L;
        string? unwalked = null;
        foreach (var path in RepositoryFolders.In(root, link => unwalked ??= link))
        {
            run.Report(new("staged", done++, "repositories"));
            await run.RestAsync();
            if (!run.Request.Upstreams.Contains(path.Split('/')[0])) await RunAsync(repositories.StagedAt(path));
        }
        if (unwalked is not null) run.Tally.Unwalked(root, unwalked);
        else if (!run.Request.IsDryRun) staged.SweepBytes();
    }

    private async Task RunAsync(StoredRepository repository)
    {
        if (repository.Forwards().Count(static forward => forward.IsWaiting) is var waiting and > 0)
        {
            run.Tally.Note(
                $"{repository.Path}: {waiting} pushes wait for an upstream that is no longer configured, and stay; configure it again");
            return;
        }
        // A held push whose time is over is removed with its manifest.
        if (repository.HeldPushes().Count(held => held.Expires > run.Clock.GetUtcNow()) is var heldPushes and > 0)
        {
            run.Tally.Note(
                $"{repository.Path}: {heldPushes} held pushes are for an upstream that is no longer configured, and stay until they "
                + "expire; configure it again with the same address");
            return;
        }
        foreach (var digest in repository.Manifests().ToArray())
        {
            if (IsOld(root.ManifestLink(repository.Path, digest), digest)
                && await RemoveAsync(repository, digest, new Operation.RemoveManifest(digest)))
                run.Tally.Manifest(repository, digest);
        }
        foreach (var digest in repository.Blobs().ToArray())
        {
            if (!IsOld(root.BlobLink(repository.Path, digest), digest)) continue;
            var target = ManifestFiles.TargetOf(repository, LinkKind.Blob, digest);
            var bytes = !target.IsEmpty && Disk.Find(root.Data(target)) is { Names: 1, Length: var length } ? length : 0;
            if (!await RemoveAsync(repository, digest, new Operation.RemoveBlob(digest))) continue;
            run.Tally.Link(repository, digest);
            if (bytes > 0) run.Tally.Content(root, target, bytes);
        }
        if (run.Request.IsDryRun) return;
        var folder = root.Repository(repository.Path);
        foreach (var part in (string[])["_manifests", "_layers", "_gateway"]) RemoveEmptyBelow($"{folder}/{part}");
        while (folder.Length > root.Repositories.Length && TryRemoveEmpty(folder)) folder = Path.GetDirectoryName(folder)!;
    }

    private static void RemoveEmptyBelow(string folder)
    {
        if (Disk.IsLink(folder)) return;
        foreach (var child in Disk.FoldersIn(folder).ToArray()) RemoveEmptyBelow(child);
        TryRemoveEmpty(folder);
    }

    // Only empty folders: a reload may have configured the upstream again, and a push may be writing here.
    private static bool TryRemoveEmpty(string folder)
    {
        try
        {
            if (!Disk.HasFolder(folder) || Directory.EnumerateFileSystemEntries(folder).Any()) return false;
            Directory.Delete(folder);
            return true;
        }
        catch (IOException)
        {
            // Something was written into it, or removed it.
            return false;
        }
    }

    // A day, as for the other staged content: an operator may move an upstream from one key to another.
    private bool IsOld(string link, Digest digest) =>
        Disk.Find(link)?.Written < run.Clock.GetUtcNow() - StagedContent.KeptFor && !run.Uses.IsRecent(digest);

    private async Task<bool> RemoveAsync(StoredRepository repository, Digest digest, Operation removal) =>
        run.Request.IsDryRun || await repository.CommitAsync(
            new([removal]) { IsStillAllowed = () => !run.Uses.IsRecent(digest) }, run.Stop) is CommitResult.Committed;
}
