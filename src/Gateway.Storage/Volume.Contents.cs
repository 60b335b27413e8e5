using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>The bytes of content, in whichever root they are.</summary>
public sealed partial class Volume
{
    // Chosen: the number of concurrent writes of large manifests and borrowed blobs that may wait for the disk.
    private readonly Lock[] _durable = [.. Enumerable.Range(0, 16).Select(_ => new Lock())];

    /// <summary>Files whose bytes do not have their digest.</summary>
    public Damage Damage { get; }

    /// <summary>The roots that may have some content, the pushed root first.</summary>
    internal IReadOnlyList<Root> Roots => _roots ??= [PushedRoot, CachedRoot, StagedRoot];

    private Root[]? _roots;

    /// <summary>The length of content whose bytes are whole in some root; null when no root has them.</summary>
    /// <param name="size">The expected length in bytes; negative when unknown.</param>
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

    /// <summary>The length of the bytes that a root has of some content; null when it has none, or not the expected number.</summary>
    private long? Has(Root root, Digest digest, long size) =>
        Disk.LengthOf(root.Data(digest)) is { } length && Fits(digest, length, size) && !Damage.IsKnown(root, digest) ? length : null;

    // A power cut usually leaves empty files; for those the digest alone is enough.
    private static bool Fits(Digest digest, long length, long size) =>
        size >= 0 ? length == size : length > 0 || Digest.Of([], digest.Algorithm) == digest;

    /// <summary>Opens content from this root, or from the others if this one does not have it; null when no root has it whole.</summary>
    /// <param name="size">See <see cref="FindContent"/>.</param>
    /// <param name="isUnfit">Whether a root has a file of the content that has another size, or is damaged.</param>
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

    /// <summary>Content from an offset, from whichever root has it whole; null when none has.</summary>
    /// <param name="size">See <see cref="FindContent"/>.</param>
    public Stream? OpenStream(Digest digest, long offset, long size)
    {
        foreach (var root in (Root[])[StagedRoot, PushedRoot, CachedRoot])
        {
            if (Has(root, digest, size) is not null && Disk.Open(root.Data(digest), FileOptions.SequentialScan) is { } file)
                return new FileStream(file, FileAccess.Read, bufferSize: 0) { Position = offset };
        }
        return null;
    }

    /// <summary>
    /// Makes room for the files of a change of a cached repository, as far as possible. Pass the result to <see cref="Eviction.Release"/>.
    /// </summary>
    public long KeepRoom(Change change, string repository)
    {
        var bytes = change.Operations.Sum(OperationCost.Of);
        if (bytes == 0) return 0;
        Fetches.MakeRoom(bytes);
        return Eviction.Reserve(bytes, repository);
    }

    /// <summary>
    /// Removes a folder. A pushed one stays in the trash for a day, where it can be restored; a cached one is deleted at once.
    /// </summary>
    internal void Discard(Root root, string folder)
    {
        if (root.Lifetime != Lifetime.Cached) Trash.Take(folder);
        else if (Disk.HasFolder(folder)) Directory.Delete(folder, recursive: true);
    }

    /// <summary>
    /// Reads content whole, from this root or then the others, and checks its digest; null when it is in no root, or longer than any
    /// manifest.
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

    /// <summary>Whether a root has these bytes under this digest; false for a file that a power cut damaged.</summary>
    internal static bool Holds(Root root, Digest digest, ReadOnlySpan<byte> bytes)
    {
        var data = root.Data(digest);
        return Disk.LengthOf(data) == bytes.Length && bytes.SequenceEqual(File.ReadAllBytes(data));
    }

    /// <summary>Writes content and makes its data and name durable.</summary>
    internal void WriteFlushed(Root root, Digest digest, ReadOnlySpan<byte> bytes)
    {
        CheckRoom(root.Lifetime);
        Uses.Note(digest);
        lock (DurableOf(digest))
        {
            lock (ByteLocks.Of(digest))
            {
                if (Holds(root, digest, bytes)) return;
            }
            Files.Write(root.Data(digest), bytes, flush: true);
            Replaced(root, digest);
            FlushNames(root, digest);
        }
    }

    /// <summary>
    /// Records that a root has another file under this digest than before: everything that was opened, read or found damaged of the
    /// previous file is forgotten. All code that replaces a file must call this.
    /// </summary>
    internal void Replaced(Root root, Digest digest)
    {
        Uses.Note(digest);
        OpenFiles.Forget(root.Lifetime, digest);
        Manifests.Remove(digest);
        Damage.Healed(root, digest);
    }

    /// <summary>
    /// Stores the bytes of another root in this one, durably: the other root may remove them from then on. Throws
    /// <see cref="FileNotFoundException"/> when no root has them any more.
    /// </summary>
    /// <param name="size">See <see cref="FindContent"/>.</param>
    internal void Borrow(Root root, Digest digest, long size)
    {
        var to = root.Data(digest);
        Uses.Note(digest);
        lock (DurableOf(digest))
        {
            lock (ByteLocks.Of(digest))
            {
                if (Has(root, digest, size) is not null) return;
            }
            var from = Roots.FirstOrDefault(other => other != root && Has(other, digest, size) is not null)?.Data(digest)
                ?? throw new FileNotFoundException($"expected the bytes of {digest} in some root, got none", to);
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            // A file of another size: it is damaged.
            File.Delete(to);
            Files.LinkOrCopy(from, to);
            Replaced(root, digest);
            FlushNames(root, digest);
        }
        if (root != CachedRoot && Disk.Find(CachedRoot.Data(digest)) is { Names: > 1 }) Eviction.Forget(digest);
    }

    /// <summary>
    /// Copies content to the cache when it has been forwarded to its upstream, if its bytes are stored and the cache has room. Otherwise
    /// the next request fetches it.
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
    /// Held from the check for a file until its name is durable: otherwise another request could find the file too early and acknowledge
    /// it.
    /// </summary>
    private Lock DurableOf(Digest digest) => _durable[(uint)digest.GetHashCode() % (uint)_durable.Length];

    /// <summary>
    /// Makes the names above some content durable. If that fails, removes the content, which would otherwise be considered durable.
    /// </summary>
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
            // A restart finds the file, and no acknowledged change names it.
        }
    }
}
