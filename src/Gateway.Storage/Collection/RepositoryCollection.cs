namespace Gateway.Storage;

/// <summary>
/// Collects the links of one repository after the other, and notes which content the remaining links lead to. Each removal is a change that
/// is made only if its content has not been used since: the committer orders it with every push, and a push wins.
/// </summary>
/// <param name="linked">Receives the content of every link that stays.</param>
internal sealed class RepositoryCollection(IContentLookup contents, CollectionRun run, DigestSet linked)
{
    private long _since;

    /// <summary>
    /// Whether a link of some repository so far leads to content whose digest is not known: no bytes of the root may be removed.
    /// </summary>
    public bool IsTargetUnknown { get; private set; }

    /// <summary>Collects one repository of the pushed or the cached root.</summary>
    public async Task RunAsync(StoredRepository repository)
    {
        _since = repository.State.Referrals;
        // What a dry run would have removed by now.
        var gone = new DigestSet();
        if (repository.Root.Lifetime == Lifetime.Pushed)
        {
            await new EvidenceCollection(run).RunAsync(repository, gone);
            if (run.Request.Untagged is { } age) await new UntaggedCollection(run).RunAsync(repository, age, gone);
        }
        var named = new DigestSet();
        var isKnown = await NameAsync(repository, gone, named);
        isKnown &= !HasTornAlias(repository);
        var unread = 0;
        foreach (var blob in repository.Blobs())
        {
            await run.RestAsync();
            var target = ManifestFiles.TargetOf(repository, LinkKind.Blob, blob);
            if (target.IsEmpty)
            {
                if (!IsTorn(repository, LinkKind.Blob, blob)) continue;
                unread++;
                linked.Add(blob);
                continue;
            }
            var isNeeded = !isKnown || named.Contains(blob) || !await IsRemovableAsync(repository, target);
            if (isNeeded || !await RemoveBlobAsync(repository, blob, target)) linked.Add(target);
        }
        if (unread > 0)
            run.Tally.Note($"{repository.Path}: {unread} links of blobs cannot be read, so their bytes stay; "
                + "run gateway scrub, and push the images again");
        if (repository.Root.Lifetime == Lifetime.Cached && !run.Request.IsDryRun)
            await repository.CommitAsync(new([new Operation.RemoveEmpty()]), run.Stop);
    }

    /// <summary>
    /// Whether a link without a digest in it may have led to the bytes of another digest. Distribution stores a blob that was pushed as
    /// SHA-512 under its SHA-256, so its own digest does not say which bytes must stay; a second link of the repository may.
    /// </summary>
    private bool HasTornAlias(StoredRepository repository)
    {
        var root = repository.Root;
        if (root.Lifetime == Lifetime.Cached) return false;
        var torn = RepositoryFolders.Blobs(root, repository.Path, DigestAlgorithm.Sha512)
            .FirstOrDefault(blob => IsTorn(repository, LinkKind.Blob, blob) && !Disk.HasFile(root.Data(blob)));
        if (torn.IsEmpty) return false;
        IsTargetUnknown = true;
        run.Tally.Note(
            $"{repository.Path}: the link of {torn} cannot be read, and its bytes are stored under another digest, so no blob of the "
            + "repository and no bytes of the root are removed; push the image again, or delete the blob");
        return true;
    }

    /// <summary>Notes what the manifests of a repository name; false when one of them cannot be read.</summary>
    private async Task<bool> NameAsync(StoredRepository repository, DigestSet gone, DigestSet named)
    {
        var unread = 0;
        foreach (var digest in repository.Manifests())
        {
            await run.RestAsync();
            if (gone.Contains(digest)) continue;
            var (manifest, target, _) = await run.Files.ReadAsync(repository, digest, run.Stop);
            var isTorn = target.IsEmpty && IsTorn(repository, LinkKind.Manifest, digest);
            if (manifest is null && !isTorn && await IsEvictedAsync(repository, digest, target)) continue;
            linked.Add(isTorn ? digest : target);
            if (manifest is null)
            {
                unread++;
                continue;
            }
            foreach (var descriptor in manifest.AllBlobs.Concat(manifest.Children)) named.Add(descriptor.Digest);
        }
        if (unread > 0)
            run.Tally.Note($"{repository.Path}: {unread} manifests cannot be read, so every blob of the repository stays; "
                + "run gateway scrub, and push the manifests again or delete them");
        return unread == 0;
    }

    /// <summary>
    /// Whether the file of a pushed link exists without a digest in it, as a power cut may leave it. The content that it led to is needed.
    /// A cached link without a digest is no link: the content is fetched again.
    /// </summary>
    private static bool IsTorn(StoredRepository repository, LinkKind kind, Digest digest)
    {
        var link = repository.Root.Link(repository.Path, kind, digest);
        // Read once more: the link may have been written or removed since.
        return repository.Root.Lifetime != Lifetime.Cached && Disk.HasFile(link) && SmallFiles.ReadLink(link).IsEmpty;
    }

    /// <summary>Removes the link of a cached manifest whose bytes were evicted.</summary>
    private async Task<bool> IsEvictedAsync(StoredRepository repository, Digest digest, Digest target)
    {
        if (target.IsEmpty) return true;
        if (repository.Root.Lifetime != Lifetime.Cached || await contents.FindAsync(target, -1, run.Stop) is not null) return false;
        if (run.Uses.IsRecent(digest)) return false;
        if (!await TryRemoveAsync(repository, digest, new Operation.RemoveManifest(digest) { IsEvicted = true })) return false;
        run.Tally.Manifest(repository, digest);
        return true;
    }

    // The link of a cached blob says that the upstream vouched for it; it stays as long as the bytes do.
    private async ValueTask<bool> IsRemovableAsync(StoredRepository repository, Digest target) =>
        repository.Root.Lifetime != Lifetime.Cached || await contents.FindAsync(target, -1, run.Stop) is null;

    private async Task<bool> RemoveBlobAsync(StoredRepository repository, Digest blob, Digest target)
    {
        var isRecent = !run.Request.MayRemove(blob) || run.Uses.IsRecent(blob) || run.Uses.IsRecent(target)
            || Disk.Find(repository.Root.BlobLink(repository.Path, blob)) is not { Written: var written } || run.Uses.IsYoung(written);
        if (isRecent || !await TryRemoveAsync(repository, blob, new Operation.RemoveBlob(blob) { IsUnnamed = true }))
        {
            run.Tally.Recent++;
            return false;
        }
        run.Tally.Link(repository, blob);
        return true;
    }

    private async Task<bool> TryRemoveAsync(StoredRepository repository, Digest digest, Operation removal) =>
        run.Request.IsDryRun || await repository.CommitAsync(
            new([removal]) { IsStillAllowed = () => !run.Uses.IsRecent(digest) && repository.IsUnreferred(_since) }, run.Stop)
            is CommitResult.Committed;
}
