using System.Threading.Channels;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>What a small file or folder of a cached repository is.</summary>
internal enum NoteKind : byte
{
    /// <summary>The link of a manifest.</summary>
    Manifest,

    /// <summary>The link of a blob.</summary>
    Blob,

    /// <summary>That a manifest refers to a subject, or is evidence about it.</summary>
    Evidence,

    /// <summary>What an upstream lists as referrers of a subject.</summary>
    Listed,
}

/// <summary>One of the small files that a cached repository keeps because of some content.</summary>
/// <param name="Repository">The repository's path below the root.</param>
/// <param name="About">What is linked, or the subject.</param>
internal readonly record struct Note(string Repository, NoteKind Kind, Digest About);

/// <summary>
/// What small files take on the disk. ext4 and XFS give a file or a folder at least a block of 4 KiB, whatever is in it.
/// </summary>
internal static class DiskCost
{
    public const long Block = 4096;

    /// <summary>A link and its folder.</summary>
    public const long Link = 2 * Block;

    /// <summary>A tag: its folder, <c>current</c>, the link, and its history.</summary>
    public const long Tag = 4 * Block;

    /// <summary>A note about a subject, and the subject's folder.</summary>
    public const long Evidence = 2 * Block;

    /// <summary>
    /// A repository with anything in it: its folder, <c>_manifests</c> with two folders and one for tags, <c>_layers</c> with one,
    /// <c>_gateway</c> and a file there.
    /// </summary>
    public const long Repository = 9 * Block;

    /// <summary>Some content: whole blocks, and its folder.</summary>
    public static long OfContent(long length) => OfFile(length) + Block;

    /// <summary>Whole blocks.</summary>
    public static long OfFile(long length) => (length + Block - 1) / Block * Block;

    /// <summary>What a note takes; a list as much as its file has.</summary>
    public static long Of(Note note) => note.Kind == NoteKind.Evidence ? Evidence : Link;

    /// <summary>What an operation on a cached repository may take at most.</summary>
    public static long Of(Operation operation) => operation switch
    {
        Operation.StoreManifest o => OfContent(o.Bytes.Length) + Link,
        Operation.LinkBlob => Link,
        Operation.SetLive => Tag,
        Operation.AddReferrer or Operation.AddEvidence => Evidence,
        Operation.StoreListed o => OfFile(o.Text.Length),
        _ => 0,
    };
}

/// <summary>
/// Removes the notes of evicted content, behind those who make room: in batches, through the committer as every change. What makes room
/// faster than notes can be removed waits for them.
/// </summary>
internal sealed class CacheNotes : IAsyncDisposable
{
    /// <summary>Evicted contents whose notes may wait; some MB of files.</summary>
    private const int MaxWaiting = 1024;

    /// <summary>Most of them under one change for each repository.</summary>
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

    /// <summary>Whether notes still wait to be removed.</summary>
    public bool IsBusy => Volatile.Read(ref _added) != Volatile.Read(ref _removed);

    /// <summary>Has notes removed; at the end they stay, and the next start counts them. Never waits: a lock is held here.</summary>
    public void Remove(Digest digest, IReadOnlyList<Note> notes)
    {
        if (notes.Count > 0 && _waiting.Writer.TryWrite((digest, notes))) Interlocked.Increment(ref _added);
    }

    /// <summary>Waits until not too many wait to be removed.</summary>
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
            // What has come back meanwhile has its notes still, and keeps them.
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
