namespace Gateway.Storage;

/// <summary>
/// Commits changes of shared repositories through their logs, and all others on the disk. The bytes that a change names are in the bucket
/// before the log has the change.
/// </summary>
internal sealed class SharedCommitter(
    SharedLogs logs, Committer local, VolumeContent content, Uploads uploads, ManifestCache manifests) : ICommitter
{
    /// <summary>Times that bytes are stored that a collection removes meanwhile. Chosen: it removes each once.</summary>
    private const int MaxTries = 4;

    public async Task<CommitResult> CommitAsync(StoredRepository repository, Change change, CancellationToken cancellationToken)
    {
        if (!repository.Root.IsShared || LoggedForm.IsOwn(change.Operations))
            return await local.CommitAsync(repository, change, cancellationToken);
        for (var tries = 1; ; tries++)
        {
            try
            {
                if (await PlaceAsync(change, isAgain: tries > 1, cancellationToken) is { } missing) return missing;
            }
            catch (IOException e) when (e is not (StoreReadOnlyException or UploadTakenOverException))
            {
                logs.NotStored(repository, e);
                throw RepositoryLog.NotMade(e);
            }
            var result = await logs.Of(repository).CommitAsync(change);
            if (result is CommitResult.Collected collected)
            {
                if (tries < MaxTries)
                {
                    change = change with { PlacedUnder = repository.State.Fence };
                    continue;
                }
                throw new StoreReadOnlyException($"{collected.Digest} is being removed by a collection; push again");
            }
            if (result is CommitResult.Committed)
            {
                foreach (var upload in UploadsOf(change)) await EndAsync(upload);
            }
            return result;
        }
    }

    private static IEnumerable<string> UploadsOf(Change change) =>
        change.Operations.OfType<Operation.LinkBlob>().Select(static blob => blob.Upload).OfType<string>();

    /// <summary>Stores the bytes that a change names. Returns why it cannot; null when the bucket has all.</summary>
    /// <param name="isAgain">Whether a collection has removed some of them after they were stored or found.</param>
    private async Task<CommitResult?> PlaceAsync(Change change, bool isAgain, CancellationToken cancellationToken)
    {
        foreach (var operation in change.Operations)
        {
            if (operation is Operation.StoreManifest { Bytes.IsEmpty: false } stored) await StoreAsync(stored, isAgain, cancellationToken);
            if (operation is Operation.LinkBlob { Upload: { } upload } finished)
                await uploads.PlaceAsync(upload, finished.Digest, cancellationToken);
            // A local copy of the blob is as good.
            if (operation is Operation.LinkBlob { Upload: null } linked && isAgain)
                await TryBorrowAsync(linked, cancellationToken);
            // Another replica may have ended the session.
            if (operation is Operation.LinkBlob blob && (isAgain || blob.Upload is not null)
                && await content.Of(Lifetime.Pushed).FindAsync(blob.Digest, blob.Size, cancellationToken) is null)
                return new CommitResult.Missing(blob.Digest);
        }
        return null;
    }

    private async Task TryBorrowAsync(Operation.LinkBlob linked, CancellationToken cancellationToken)
    {
        try
        {
            await content.BorrowAsync(Lifetime.Pushed, linked.Digest, linked.Size, cancellationToken);
        }
        catch (FileNotFoundException)
        {
            // It is looked for once more.
        }
    }

    private async Task EndAsync(string upload)
    {
        try
        {
            await uploads.EndAsync(upload);
        }
        catch (IOException)
        {
            // The change is made. The session ends when it is too old.
        }
    }

    private async Task StoreAsync(Operation.StoreManifest stored, bool isAgain, CancellationToken cancellationToken)
    {
        // A longer one was written when the change was prepared.
        if (isAgain || stored.Bytes.Length <= JournalRecord.MaxInline)
            await content.WriteAsync(Lifetime.Pushed, stored.Digest, stored.Bytes, cancellationToken);
        // Copies the bytes: they may be in a buffer of the caller.
        if (stored.Parsed is { } parsed) manifests.Add(new(stored.Digest, parsed, stored.Bytes.ToArray()));
    }
}
