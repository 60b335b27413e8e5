using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>The bytes of content, in whichever root they lie.</summary>
public sealed partial class Volume
{
    // Chosen: as many writes of large manifests and borrowed blobs may wait for the disk at once.
    private readonly Lock[] _durable = [.. Enumerable.Range(0, 16).Select(_ => new Lock())];

    /// <summary>What is not on the disk as it should be.</summary>
    public Damage Damage { get; }

    /// <summary>Where some content may lie, what is pushed first.</summary>
    internal IReadOnlyList<Root> Roots => _roots ??= [PushedRoot, CachedRoot, StagedRoot];

    private Root[]? _roots;

    /// <summary>Length of some content's bytes, in whichever root they are whole; null when they are in none.</summary>
    /// <param name="size">Bytes that the content has; negative when nobody has said.</param>
    public long? FindContent(Digest digest, long size)
    {
        foreach (var root in Roots)
        {
            if (Has(root, digest, size) is { } length) return length;
        }
        return null;
    }

    /// <inheritdoc/>
    public ValueTask<long?> FindAsync(Digest digest, long size, CancellationToken cancellationToken) => new(FindContent(digest, size));

    /// <summary>Length of the bytes that a root has of some content; null when it has none, or not as many as there must be.</summary>
    private long? Has(Root root, Digest digest, long size) =>
        Disk.LengthOf(root.Data(digest)) is { } length && Fits(digest, length, size) && !Damage.IsKnown(root, digest) ? length : null;

    // A power cut leaves empty files first of all, and of those the digest alone says enough.
    private static bool Fits(Digest digest, long length, long size) =>
        size >= 0 ? length == size : length > 0 || Digest.Of([], digest.Algorithm) == digest;

    /// <summary>Opens some content, looking in this root first and in the others then; null when none has it whole.</summary>
    /// <param name="size">As of <see cref="FindContent"/>.</param>
    /// <param name="isUnfit">Whether a root has a file of it that has another size, or is damaged.</param>
    internal OpenFile? OpenContent(Root first, Digest digest, long size, out bool isUnfit)
    {
        isUnfit = false;
        if (Open(first, ref isUnfit) is { } own) return own;
        foreach (var root in Roots)
        {
            if (root != first && Open(root, ref isUnfit) is { } file) return file;
        }
        return null;

        OpenFile? Open(Root root, ref bool isUnfit)
        {
            if (OpenFiles.Open(root, digest) is not { } file) return null;
            if (Fits(digest, file.Length, size) && !Damage.IsKnown(root, digest)) return file;
            isUnfit = true;
            file.Release();
            return null;
        }
    }

    /// <summary>Some content from an offset on, in whichever root it is whole; null when it is in none.</summary>
    /// <param name="size">As of <see cref="FindContent"/>.</param>
    public Stream? OpenStream(Digest digest, long offset, long size)
    {
        foreach (var root in (Root[])[StagedRoot, PushedRoot, CachedRoot])
        {
            if (Has(root, digest, size) is not null && Disk.Open(root.Data(digest), FileOptions.Asynchronous) is { } file)
                return new FileStream(file, FileAccess.Read, bufferSize: 0, isAsync: true) { Position = offset };
        }
        return null;
    }

    /// <summary>
    /// Makes room for the files of a change of a cached repository, as far as that is possible; <see cref="Eviction.Release"/> takes what
    /// it answers.
    /// </summary>
    public long KeepRoom(Change change, string repository)
    {
        var bytes = change.Operations.Sum(DiskCost.Of);
        if (bytes == 0) return 0;
        Fetches.MakeRoom(bytes);
        return Eviction.Reserve(bytes, repository);
    }

    /// <summary>Removes a folder: of what was pushed for a day, in which it can be brought back; of what is cached at once.</summary>
    internal void Discard(Root root, string folder)
    {
        if (root.Lifetime != Lifetime.Cached) Trash.Take(folder);
        else if (Disk.HasFolder(folder)) Directory.Delete(folder, recursive: true);
    }

    /// <summary>
    /// Reads some content whole, from this root first and the others then, and checks its digest; null when it is in no root, or longer
    /// than any manifest.
    /// </summary>
    internal byte[]? ReadWhole(Root first, Digest digest)
    {
        foreach (var root in Roots.OrderBy(root => root != first))
        {
            if (Damage.IsKnown(root, digest) || OpenFiles.Open(root, digest) is not { } file) continue;
            try
            {
                if (Read(file) is not { } bytes) continue;
                if (Digest.Of(bytes, digest.Algorithm) == digest) return bytes;
            }
            finally
            {
                file.Release();
            }
            Damage.Found(root, digest);
        }
        return null;
    }

    private static byte[]? Read(OpenFile file)
    {
        if (file.Length > ReadBackLimits.MaxBytes) return null;
        var bytes = new byte[file.Length];
        for (var at = 0; at < bytes.Length;)
        {
            var count = RandomAccess.Read(file.Handle, bytes.AsSpan(at), at);
            if (count == 0) return bytes[..at];
            at += count;
        }
        return bytes;
    }

    /// <summary>Whether these bytes are what a root has under this digest; a file that a power cut left wrong is not.</summary>
    internal static bool Holds(Root root, Digest digest, ReadOnlySpan<byte> bytes)
    {
        var data = root.Data(digest);
        return Disk.LengthOf(data) == bytes.Length && bytes.SequenceEqual(File.ReadAllBytes(data));
    }

    /// <summary>Writes content and makes it durable, data and name.</summary>
    internal void WriteFlushed(Root root, Digest digest, ReadOnlySpan<byte> bytes)
    {
        CheckRoom(root.Lifetime);
        lock (DurableOf(digest))
        {
            if (Holds(root, digest, bytes)) return;
            Files.Write(root.Data(digest), bytes, flush: true);
            Replaced(root, digest);
            FlushNames(root, digest);
        }
    }

    /// <summary>
    /// A root has another file under this digest than before: what was opened, read or found wrong of the one before is forgotten. Whatever
    /// puts a file in its place says so here.
    /// </summary>
    internal void Replaced(Root root, Digest digest)
    {
        OpenFiles.Forget(root.Lifetime, digest);
        Manifests.Remove(digest);
        Damage.Healed(root, digest);
    }

    /// <summary>
    /// Gives a root, durably, the bytes that another one has: from then on the other may lose them. Throws
    /// <see cref="FileNotFoundException"/> when all have.
    /// </summary>
    /// <param name="size">As of <see cref="FindContent"/>.</param>
    internal void Borrow(Root root, Digest digest, long size)
    {
        var to = root.Data(digest);
        lock (DurableOf(digest))
        {
            if (Has(root, digest, size) is not null) return;
            var from = Roots.FirstOrDefault(other => other != root && Has(other, digest, size) is not null)?.Data(digest)
                ?? throw new FileNotFoundException($"the bytes of {digest} are in no root", to);
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            // One of another size: it has gone bad.
            File.Delete(to);
            Files.LinkOrCopy(from, to);
            Replaced(root, digest);
            FlushNames(root, digest);
        }
        if (root != CachedRoot && Disk.Find(CachedRoot.Data(digest)) is { Names: > 1 }) Eviction.Forget(digest);
    }

    /// <summary>
    /// Lets the cache have the bytes of what has just arrived at an upstream, as far as they are here and it has room; not to have them
    /// there costs a fetch.
    /// </summary>
    public void GiveToCache(Digest digest, long size)
    {
        if (Has(CachedRoot, digest, size) is not null || size > Eviction.MaxBytes || FreeBytes < Fetches.KeepFree) return;
        try
        {
            Eviction.MakeRoom(DiskCost.OfContent(size));
            Borrow(CachedRoot, digest, size);
            if (Disk.Find(CachedRoot.Data(digest)) is { Names: 1 }) Eviction.Stored(digest, size);
        }
        catch (IOException e)
        {
            Log.NotGiven(Logger, e, digest);
        }
    }

    /// <summary>
    /// Held from the look for a file until its name is durable: another request that found the file before would answer for it too early.
    /// </summary>
    private Lock DurableOf(Digest digest) => _durable[(uint)digest.GetHashCode() % (uint)_durable.Length];

    /// <summary>Makes the names above some content durable. If that fails, removes it: it would be taken for durable.</summary>
    private void FlushNames(Root root, Digest digest)
    {
        var data = root.Data(digest);
        try
        {
            var folder = Path.GetDirectoryName(data)!;
            for (; folder.Length >= root.Blobs.Length; folder = Path.GetDirectoryName(folder)!) Durability.FlushFolder(folder);
        }
        catch
        {
            TryDelete(data);
            throw;
        }
    }

    private static void TryDelete(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A restart finds it, and nothing that was acknowledged names it.
        }
    }
}
