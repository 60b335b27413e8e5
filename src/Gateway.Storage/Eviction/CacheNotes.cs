using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// Removes the notes of evicted content in the background: in batches, through the committer like every change.
/// </summary>
internal sealed class CacheNotes : IAsyncDisposable
{
    /// <summary>The largest number of contents in one change of one repository.</summary>
    private const int MaxBatch = 128;

    private readonly Eviction _eviction;
    private readonly StoredRepositories _repositories;
    private readonly ILogger _logger;
    private readonly Task _loop;

    /// <summary>Begins to remove notes.</summary>
    public CacheNotes(Eviction eviction, StoredRepositories repositories, ILogger logger)
    {
        (_eviction, _repositories, _logger) = (eviction, repositories, logger);
        _loop = Task.Run(RunAsync);
    }

    private async Task RunAsync()
    {
        try
        {
            var waiting = _eviction.EvictedNotes.Waiting;
            while (await waiting.WaitToReadAsync())
            {
                var batch = new List<(Digest Digest, IReadOnlyList<Note> Notes)>();
                while (batch.Count < MaxBatch && waiting.TryRead(out var next)) batch.Add(next);
                // Content that was stored again in the meantime keeps its notes.
                var gone = batch.Where(each => !_eviction.TakeBack(each.Digest, each.Notes))
                    .SelectMany(static each => each.Notes.Select(note => (each.Digest, Note: note)));
                foreach (var repository in gone.GroupBy(static each => each.Note.Repository, StringComparer.Ordinal))
                    await RemoveAsync(repository.Key, [.. repository.Select(static each => RemovalOf(each.Digest, each.Note))]);
                _eviction.EvictedNotes.Removed(batch.Count);
            }
        }
        finally
        {
            _eviction.EvictedNotes.End();
        }
    }

    private async Task RemoveAsync(string path, Operation[] removals)
    {
        try
        {
            await _repositories.CachedAt(path).CommitAsync(new([.. removals, new Operation.RemoveEmpty()]), CancellationToken.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.EvictionFailed(_logger, e);
        }
    }

    private static Operation RemovalOf(Digest digest, Note note) => note.Kind switch
    {
        NoteKind.Manifest => new Operation.RemoveManifest(note.About) { IsEvicted = true },
        NoteKind.Blob => new Operation.RemoveBlob(note.About),
        NoteKind.Evidence => new Operation.RemoveEvidence(note.About, digest),
        _ => new Operation.RemoveListed(note.About),
    };

    /// <summary>Removes the notes of content evicted so far. The next start counts those of content that is evicted later.</summary>
    public async ValueTask DisposeAsync()
    {
        _eviction.EvictedNotes.Complete();
        await _loop;
    }
}
