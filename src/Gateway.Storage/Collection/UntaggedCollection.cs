namespace Gateway.Storage;

/// <summary>
/// Removes manifests of a repository that nothing refers to: no tag, no held push, no index, and nothing that waits to be forwarded.
/// Evidence stays as long as its subject. An index is removed before the manifests that it names. While a manifest of the repository cannot
/// be read, nothing is removed. One instance collects one repository.
/// </summary>
internal sealed class UntaggedCollection(CollectionRun run)
{
    /// <summary>
    /// The largest number of removals in one change. A removal looks at every tag once for each change, and a use of one manifest refuses
    /// the whole change, whose manifests are then removed one by one.
    /// </summary>
    private const int MaxBatch = 32;

    // A manifest that is linked and cannot be read: what it names is not known.
    private Digest _unread;
    private long _since;

    /// <summary>Collects one repository.</summary>
    /// <param name="age">From the push.</param>
    /// <param name="gone">What was already removed; receives what is removed.</param>
    public async Task RunAsync(StoredRepository repository, TimeSpan age, DigestSet gone)
    {
        _since = repository.State.Referrals;
        var needed = new DigestSet();
        foreach (var root in RootsOf(repository)) await NeedAsync(repository, root, needed);
        foreach (var digest in repository.Manifests())
        {
            await run.RestAsync();
            if (needed.Contains(digest) || gone.Contains(digest)) continue;
            var (manifest, _, _) = await run.Files.ReadAsync(repository, digest, run.Stop);
            // Evidence, or a manifest that cannot be read.
            if (manifest is not { Subject: null }) await NeedAsync(repository, digest, needed);
        }
        if (!_unread.IsEmpty)
        {
            run.Tally.Note($"{repository.Path}: {_unread} cannot be read, so no untagged manifest of the repository is removed; "
                + "run gateway scrub, and push the manifest again or delete it");
            return;
        }
        var oldest = run.Clock.GetUtcNow() - age;
        while (await RoundAsync(repository, oldest, needed, gone))
        {
            // The next round removes what only removed indexes named.
        }
    }

    private static IEnumerable<Digest> RootsOf(StoredRepository repository)
    {
        var (root, path) = (repository.Root, repository.Path);
        return repository.Tags().Select(repository.LiveOf)
            .Concat(repository.HeldPushes().Select(static held => held.Digest))
            .Concat(repository.Forwards().SelectMany(static forward => forward.Manifests))
            .Concat(RepositoryFolders.EvidenceIn(root.Referrers(path)))
            .Concat(RepositoryFolders.EvidenceIn(root.Evidence(path)))
            .Where(static digest => !digest.IsEmpty);
    }

    private async ValueTask NeedAsync(StoredRepository repository, Digest digest, DigestSet needed)
    {
        var open = new Stack<Digest>([digest]);
        while (open.TryPop(out var next))
        {
            if (needed.Contains(next)) continue;
            needed.Add(next);
            await run.RestAsync();
            if ((await run.Files.ReadAsync(repository, next, run.Stop)).Manifest is not { } manifest)
            {
                // A child that the repository does not have names nothing.
                if (Disk.HasFile(repository.Root.ManifestLink(repository.Path, next))) _unread = next;
                continue;
            }
            foreach (var child in manifest.Children) open.Push(child.Digest);
        }
    }

    private async Task<bool> RoundAsync(StoredRepository repository, DateTimeOffset oldest, DigestSet needed, DigestSet gone)
    {
        var (batch, isAnyGone) = (new List<Digest>(MaxBatch), false);
        foreach (var digest in repository.Manifests())
        {
            await run.RestAsync();
            if (needed.Contains(digest) || gone.Contains(digest)) continue;
            var link = repository.Root.ManifestLink(repository.Path, digest);
            if (Disk.Find(link) is not { Written: var pushed } || pushed > oldest) continue;
            if (await IsNamedAsync(repository, digest, gone)) continue;
            if (!run.Request.MayRemove(digest) || run.Uses.IsYoung(pushed) || run.Uses.IsRecent(digest)) Keep(digest, needed);
            else batch.Add(digest);
            if (batch.Count == MaxBatch) isAnyGone |= await RemoveAsync(repository, batch, needed, gone);
        }
        return await RemoveAsync(repository, batch, needed, gone) || isAnyGone;
    }

    private static async ValueTask<bool> IsNamedAsync(StoredRepository repository, Digest digest, DigestSet gone) =>
        (await repository.IndexesOfAsync(digest)).Any(index => !gone.Contains(index)
            && Disk.HasFile(repository.Root.ManifestLink(repository.Path, index)));

    private async Task<bool> RemoveAsync(StoredRepository repository, List<Digest> batch, DigestSet needed, DigestSet gone)
    {
        if (batch.Count == 0) return false;
        var isAnyGone = false;
        var isWhole = run.Request.IsDryRun || await TryCommitAsync(repository, batch);
        foreach (var digest in batch)
        {
            if (isWhole || await TryCommitAsync(repository, [digest]))
            {
                isAnyGone = true;
                gone.Add(digest);
                run.Tally.Manifest(repository, digest);
            }
            else Keep(digest, needed);
        }
        batch.Clear();
        return isAnyGone;
    }

    private void Keep(Digest digest, DigestSet needed)
    {
        run.Tally.Recent++;
        needed.Add(digest);
    }

    private async Task<bool> TryCommitAsync(StoredRepository repository, IReadOnlyList<Digest> digests)
    {
        Digest[] all = [.. digests];
        return await repository.CommitAsync(
            new([.. all.Select(static digest => new Operation.RemoveManifest(digest))])
            {
                IsStillAllowed = () => !all.Any(run.Uses.IsRecent) && repository.IsUnreferred(_since),
            }, run.Stop) is CommitResult.Committed;
    }
}
