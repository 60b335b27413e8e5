using System.Collections.Immutable;

namespace Gateway.Storage;

/// <summary>
/// Commits changes of shared repositories through their logs, and all others on the disk. The bytes that a change names are in the bucket
/// before the log has the change.
/// </summary>
internal sealed class SharedCommitter(
    SharedLogs logs, Committer local, VolumeContent content, Uploads uploads, ManifestCache manifests) : ICommitter
{
    /// <inheritdoc/>
    public async Task<CommitResult> CommitAsync(StoredRepository repository, Change change, CancellationToken cancellationToken)
    {
        if (!repository.Root.IsShared || LoggedForm.IsOwn(change.Operations))
            return await local.CommitAsync(repository, change, cancellationToken);
        var placed = new List<string>();
        try
        {
            foreach (var operation in change.Operations)
            {
                if (operation is Operation.StoreManifest { Bytes.IsEmpty: false } stored) await StoreAsync(stored, cancellationToken);
                if (operation is not Operation.LinkBlob { Upload: { } upload } blob) continue;
                await uploads.PlaceAsync(upload, blob.Digest, cancellationToken);
                // Another replica may have ended the session.
                if (await content.Of(Lifetime.Pushed).FindAsync(blob.Digest, blob.Size, cancellationToken) is null)
                    return new CommitResult.Missing(blob.Digest);
                placed.Add(upload);
            }
        }
        catch (IOException e) when (e is not (StoreReadOnlyException or UploadTakenOverException))
        {
            logs.NotStored(repository, e);
            throw RepositoryLog.NotMade(e);
        }
        var result = await logs.Of(repository).CommitAsync(change);
        if (result is not CommitResult.Committed) return result;
        foreach (var upload in placed) await EndAsync(upload);
        return result;
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

    private async Task StoreAsync(Operation.StoreManifest stored, CancellationToken cancellationToken)
    {
        // A longer one was written when the change was prepared.
        if (stored.Bytes.Length <= JournalRecord.MaxInline)
            await content.WriteAsync(Lifetime.Pushed, stored.Digest, stored.Bytes, cancellationToken);
        // Copies the bytes: they may be in a buffer of the caller.
        if (stored.Parsed is { } parsed) manifests.Add(new(stored.Digest, parsed, stored.Bytes.ToArray()));
    }
}
