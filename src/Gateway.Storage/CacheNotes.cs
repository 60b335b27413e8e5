using System.Threading.Channels;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>The kind of a small file or folder of a cached repository.</summary>
internal enum NoteKind : byte
{
    /// <summary>The link of a manifest.</summary>
    Manifest,

    /// <summary>The link of a blob.</summary>
    Blob,

    /// <summary>The note that a manifest refers to a subject, or is evidence about it.</summary>
    Evidence,

    /// <summary>The referrers of a subject that an upstream lists.</summary>
    Listed,
}

/// <summary>One of the small files that a cached repository has because of some content.</summary>
/// <param name="Repository">The repository's path below the root.</param>
/// <param name="About">The linked content, or the subject.</param>
internal readonly record struct Note(string Repository, NoteKind Kind, Digest About);

/// <summary>
/// The disk space of small files. ext4 and XFS allocate at least one block of 4 KiB for a file or a folder, whatever its length.
/// </summary>
internal static class DiskCost
{
    public const long Block = 4096;

    /// <summary>A link and its folder.</summary>
    public const long Link = 2 * Block;

    /// <summary>A tag: its folder, <c>current</c>, the link, and its history.</summary>
    public const long Tag = 4 * Block;

    /// <summary>A note about a subject, with the subject's folder.</summary>
    public const long Evidence = 2 * Block;

    /// <summary>
    /// A repository that is not empty: its folder, <c>_manifests</c> with two folders and one for tags, <c>_layers</c> with one,
    /// <c>_gateway</c> with one file.
    /// </summary>
    public const long Repository = 9 * Block;

    /// <summary>Some content: its whole blocks, and its folder.</summary>
    public static long OfContent(long length) => OfFile(length) + Block;

    /// <summary>A size rounded up to whole blocks.</summary>
    public static long OfFile(long length) => (length + Block - 1) / Block * Block;

    /// <summary>The disk space of a note. A list takes as much as its file.</summary>
    public static long Of(Note note) => note.Kind == NoteKind.Evidence ? Evidence : Link;
}

/// <summary>
/// Removes the notes of evicted content in the background: in batches, through the committer like every change. A request that evicts
/// faster than notes can be removed waits for the removal.
/// </summary>
internal sealed class CacheNotes : IAsyncDisposable
{
    /// <summary>The largest number of evicted contents whose notes wait for removal; some MB of files.</summary>
    private const int MaxWaiting = 1024;

    /// <summary>The largest number of contents in one change of one repository.</summary>
    private const int MaxBatch = 128;

    private readonly Volume _volume;
    private readonly Channel<(Digest Digest, IReadOnlyList<Note> Notes)> _waiting =
        Channel.CreateUnbounded<(Digest, IReadOnlyList<Note>)>();

    private readonly Task _loop;
    private long _added;
    private long _removed;

    public CacheNotes(Volume volume)
    {
        _volume = volume;
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Whether notes still wait for removal.</summary>
    public bool IsBusy => Volatile.Read(ref _added) != Volatile.Read(ref _removed);

    /// <summary>
    /// Queues notes for removal. After the end, notes stay on the disk and the next start counts them. Never waits: the caller holds a
    /// lock.
    /// </summary>
    public void Remove(Digest digest, IReadOnlyList<Note> notes)
    {
        if (notes.Count > 0 && _waiting.Writer.TryWrite((digest, notes))) Interlocked.Increment(ref _added);
    }

    /// <summary>Waits until few enough contents wait for removal.</summary>
    public async ValueTask CatchUpAsync(CancellationToken cancellationToken)
    {
        while (Volatile.Read(ref _added) - Volatile.Read(ref _removed) > MaxWaiting && !_loop.IsCompleted)
            await Task.Delay(TimeSpan.FromMilliseconds(1), cancellationToken);
    }

    private async Task RunAsync()
    {
        while (await _waiting.Reader.WaitToReadAsync())
        {
            var batch = new List<(Digest Digest, IReadOnlyList<Note> Notes)>();
            while (batch.Count < MaxBatch && _waiting.Reader.TryRead(out var next)) batch.Add(next);
            // Content that was stored again in the meantime keeps its notes.
            var gone = batch.Where(each => !_volume.Eviction.TakeBack(each.Digest, each.Notes))
                .SelectMany(static each => each.Notes.Select(note => (each.Digest, Note: note)));
            foreach (var repository in gone.GroupBy(static each => each.Note.Repository, StringComparer.Ordinal))
                await RemoveAsync(repository.Key, [.. repository.Select(static each => RemovalOf(each.Digest, each.Note))]);
            Interlocked.Add(ref _removed, batch.Count);
        }
    }

    private async Task RemoveAsync(string path, Operation[] removals)
    {
        try
        {
            var repository = new StoredRepository(_volume, _volume.CachedRoot, path);
            await repository.CommitAsync(new([.. removals, new Operation.RemoveEmpty()]), CancellationToken.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.EvictionFailed(_volume.Logger, e);
        }
    }

    private static Operation RemovalOf(Digest digest, Note note) => note.Kind switch
    {
        NoteKind.Manifest => new Operation.RemoveManifest(note.About) { IsEvicted = true },
        NoteKind.Blob => new Operation.RemoveBlob(note.About),
        NoteKind.Evidence => new Operation.RemoveEvidence(note.About, digest),
        _ => new Operation.RemoveListed(note.About),
    };

    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        await _loop;
    }
}
