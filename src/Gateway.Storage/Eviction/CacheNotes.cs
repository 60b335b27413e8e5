using System.Diagnostics;

namespace Gateway.Storage;

/// <summary>
/// Removes the notes of evicted content in the background: in batches, through the committer like every change. A link of a blob that
/// another cached manifest of the repository names becomes a note of that manifest instead: under a policy a blob without a link is
/// unknown.
/// </summary>
internal sealed class CacheNotes : IAsyncDisposable
{
    /// <summary>The largest number of contents in one change of one repository.</summary>
    private const int MaxBatch = 128;

    // A repository that stores manifests all the time does not keep the notes of evicted content for that.
    private const int MaxAttempts = 4;

    // How much longer the loop rests than its last batch took. Chosen: reading manifests then takes at most a fifth of a core.
    private const int PauseFactor = 4;

    // Chosen: a purge waits for the removal of notes.
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    private readonly TaskCompletionSource _ending = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Eviction _eviction;
    private readonly StoredRepositories _repositories;
    private readonly ManifestFiles _files;
    private readonly ILogger _logger;
    private readonly Task _loop;

    /// <summary>Begins to remove notes.</summary>
    public CacheNotes(Eviction eviction, StoredRepositories repositories, ManifestFiles files, ILogger logger)
    {
        (_eviction, _repositories, _files, _logger) = (eviction, repositories, files, logger);
        _loop = Task.Run(RunAsync);
    }

    private async Task RunAsync()
    {
        try
        {
            var (waiting, pause) = (_eviction.EvictedNotes.Waiting, TimeSpan.Zero);
            while (await waiting.WaitToReadAsync())
            {
                // A batch reads all manifests of its repositories. Where that takes long, more evicted content shares one read.
                if (waiting.Count < MaxBatch) await Task.WhenAny(_ending.Task, Task.Delay(pause));
                var began = Stopwatch.GetTimestamp();
                var batch = new List<(Digest Digest, IReadOnlyList<Note> Notes)>();
                while (batch.Count < MaxBatch && waiting.TryRead(out var next)) batch.Add(next);
                // Content that was stored again in the meantime keeps its notes.
                var gone = batch.Where(each => !_eviction.TakeBack(each.Digest, each.Notes))
                    .SelectMany(static each => each.Notes.Select(note => (each.Digest, Note: note)));
                foreach (var repository in gone.GroupBy(static each => each.Note.Repository, StringComparer.Ordinal))
                    await RemoveAsync(repository.Key, [.. repository]);
                _eviction.EvictedNotes.Removed(batch.Count);
                pause = Stopwatch.GetElapsedTime(began) * PauseFactor;
                if (pause > LongestPause) pause = LongestPause;
            }
        }
        finally
        {
            _eviction.EvictedNotes.End();
        }
    }

    private async Task RemoveAsync(string path, (Digest Digest, Note Note)[] gone)
    {
        try
        {
            var repository = _repositories.CachedAt(path);
            for (var attempt = 1; attempt <= MaxAttempts; attempt++)
            {
                var since = repository.State.Referrals;
                var needed = await NeededAsync(repository, gone);
                var removals = gone.Where(each => each.Note.Kind != NoteKind.Blob || !needed.ContainsKey(each.Note.About))
                    .Select(static each => RemovalOf(each.Digest, each.Note));
                var change = new Change([.. needed.Values, .. removals, new Operation.RemoveEmpty()])
                {
                    // A manifest that was stored since may name one of the blobs.
                    IsStillAllowed = attempt == MaxAttempts ? null : () => repository.State.Referrals == since,
                };
                if (await repository.CommitAsync(change, CancellationToken.None) is not CommitResult.Committed) continue;
                foreach (var (blob, link) in needed) _eviction.Noted(link.Parent, new(path, NoteKind.Blob, blob));
                return;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.EvictionFailed(_logger, e);
        }
    }

    // The links of blobs that lost their note and that a manifest which stays names: as links of that manifest.
    private async ValueTask<Dictionary<Digest, Operation.LinkBlob>> NeededAsync(
        StoredRepository repository, (Digest Digest, Note Note)[] gone)
    {
        var needed = new Dictionary<Digest, Operation.LinkBlob>();
        var blobs = gone.Where(static each => each.Note.Kind == NoteKind.Blob).Select(static each => each.Note.About).ToHashSet();
        var going = gone.Where(static each => each.Note.Kind == NoteKind.Manifest).Select(static each => each.Note.About).ToHashSet();
        foreach (var digest in repository.Manifests())
        {
            if (blobs.Count == 0) break;
            if (going.Contains(digest)) continue;
            if ((await _files.ReadAsync(repository, digest, CancellationToken.None)).Manifest is not { } manifest) continue;
            foreach (var blob in manifest.Blobs)
            {
                if (blobs.Remove(blob.Digest) && repository.FindLink(LinkKind.Blob, blob.Digest) is { } link)
                    needed.Add(blob.Digest, new(blob.Digest, link.Size) { Parent = digest });
            }
        }
        return needed;
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
        _ending.SetResult();
        await _loop;
    }
}
