using System.Buffers;

namespace Gateway.Storage;

/// <summary>Compares files with their digests.</summary>
internal sealed partial class ContentFiles
{
    // Bytes that are read and hashed at a time, as in fetches.
    private const int BufferSize = 256 * 1024;

    public ValueTask<Examined> ExamineAsync(Digest digest, CancellationToken cancellationToken) =>
        new(Task.Run(() => Examine(digest), cancellationToken));

    /// <summary>Called when a reader could not read some content whole.</summary>
    public Action<Digest>? Suspected { private get; set; }

    private Examined Examine(Digest digest)
    {
        if (damage.IsAside(root, digest))
            return damage.IsDue(root, digest) && BringBack(digest) is { } back ? new(back, IsDamaged: false) : new(null, IsDamaged: true);
        if (Disk.LengthOf(root.Data(digest)) is not { } length) return default;
        var isKnown = damage.IsKnown(root, digest);
        if (isKnown && !damage.IsDue(root, digest)) return new(null, IsDamaged: true);
        var (state, facts) = Check(root.Data(digest), digest);
        if (state is FileState.Right or FileState.Gone)
        {
            if (isKnown) Replaced(digest);
            return state == FileState.Right ? new(length, IsDamaged: false) : default;
        }
        if (isKnown) return new(null, IsDamaged: true);
        if (!damage.Found(root, digest, facts, isUnread: state == FileState.Unread)) return default;
        open.Forget(root.Lifetime, digest);
        return new(null, IsDamaged: true);
    }

    /// <summary>
    /// Reads a file that was set aside, and moves it back to its place if its bytes are right: the disk may have failed for a moment only.
    /// Returns its length; null when it stays where it is.
    /// </summary>
    public long? BringBack(Digest digest)
    {
        if (!damage.IsAside(root, digest)) return null;
        var aside = damage.AsideOf(root.Lifetime, digest);
        var (state, facts) = Check(aside, digest);
        if (state == FileState.Wrong) damage.IsWrong(root, digest);
        if (state != FileState.Right) return null;
        try
        {
            // No flush: after a power cut it is in its place, or set aside again.
            Take(aside, digest);
        }
        catch (FileNotFoundException)
        {
            // The content was pushed again, or collected.
            return null;
        }
        damage.BroughtBack(digest, facts.Length);
        return facts.Length;
    }

    /// <summary>What was found when a file was compared with its digest.</summary>
    private enum FileState
    {
        Gone,
        Right,
        Wrong,

        /// <summary>The disk could not read it.</summary>
        Unread,
    }

    private static (FileState State, FileFacts Facts) Check(string path, Digest digest)
    {
        using var file = Disk.Open(path);
        if (file is null) return default;
        var facts = Disk.Find(file);
        using var hash = new ContentHash(digest.Algorithm);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            for (long at = 0; RandomAccess.Read(file, buffer, at) is var read and > 0; at += read) hash.AppendData(buffer, 0, read);
        }
        catch (IOException e) when (Damage.IsOfTheDisk(e))
        {
            return (FileState.Unread, facts);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        return (Digest.FromHash(digest.Algorithm, hash.GetCurrentHash()) == digest ? FileState.Right : FileState.Wrong, facts);
    }
}
