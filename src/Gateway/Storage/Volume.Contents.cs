using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>The bytes of content, in whichever root they lie.</summary>
internal sealed partial class Volume
{
    // Chosen: as many writes of large manifests and borrowed blobs may wait for the disk at once.
    private readonly Lock[] _durable = [.. Enumerable.Range(0, 16).Select(_ => new Lock())];

    /// <summary>Length of the bytes of this content in any root; null when they are in none.</summary>
    public long? FindContent(Digest digest) =>
        Disk.LengthOf(KeptRoot.Data(digest))
        ?? Disk.LengthOf(CachedRoot.Data(digest))
        ?? Disk.LengthOf(StagedRoot.Data(digest));

    /// <summary>Opens some content, looking in this root first and in the others then.</summary>
    public OpenFile? OpenContent(Root first, Digest digest)
    {
        if (OpenFiles.Open(first, digest) is { } own) return own;
        foreach (var root in RootsBut(first))
        {
            if (OpenFiles.Open(root, digest) is { } file) return file;
        }
        return null;
    }

    private IEnumerable<Root> RootsBut(Root one)
    {
        if (one != KeptRoot) yield return KeptRoot;
        if (one != CachedRoot) yield return CachedRoot;
        if (one != StagedRoot) yield return StagedRoot;
    }

    /// <summary>Some content from an offset on, in whichever root it is; null when it is in none.</summary>
    public Stream? OpenStream(Digest digest, long offset)
    {
        foreach (var root in (Root[])[StagedRoot, KeptRoot, CachedRoot])
        {
            if (Disk.Open(root.Data(digest), FileOptions.Asynchronous) is { } file)
                return new FileStream(file, FileAccess.Read, bufferSize: 0, isAsync: true) { Position = offset };
        }
        return null;
    }

    /// <summary>Reads some content whole; null when it is in no root, or longer than any manifest.</summary>
    public byte[]? ReadWhole(Root first, Digest digest)
    {
        if (OpenContent(first, digest) is not { } file) return null;
        try
        {
            if (file.Length > ReadBackLimits.MaxBytes) return null;
            var bytes = new byte[file.Length];
            for (var at = 0; at < bytes.Length;)
            {
                var count = RandomAccess.Read(file.Handle, bytes.AsSpan(at), at);
                if (count == 0) return null;
                at += count;
            }
            return bytes;
        }
        finally
        {
            file.Release();
        }
    }

    /// <summary>Whether these bytes are what a root has under this digest; a file that a power cut left wrong is not.</summary>
    public static bool Holds(Root root, Digest digest, ReadOnlySpan<byte> bytes)
    {
        var data = root.Data(digest);
        return Disk.LengthOf(data) == bytes.Length && bytes.SequenceEqual(File.ReadAllBytes(data));
    }

    /// <summary>Writes content and makes it durable, data and name.</summary>
    public void WriteFlushed(Root root, Digest digest, ReadOnlySpan<byte> bytes)
    {
        CheckRoom(root.Lifetime);
        lock (DurableOf(digest))
        {
            if (Holds(root, digest, bytes)) return;
            Files.Write(root.Data(digest), bytes, flush: true);
            FlushNames(root, digest);
        }
    }

    /// <summary>
    /// Gives a root, durably, the bytes that another one has: from then on the other may lose them. Throws
    /// <see cref="FileNotFoundException"/> when all have.
    /// </summary>
    public void Borrow(Root root, Digest digest)
    {
        var to = root.Data(digest);
        lock (DurableOf(digest))
        {
            if (Disk.HasFile(to)) return;
            var from = RootsBut(root).Select(other => other.Data(digest)).FirstOrDefault(Disk.HasFile)
                ?? throw new FileNotFoundException($"the bytes of {digest} are in no root", to);
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            Files.LinkOrCopy(from, to);
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
        if (Disk.HasFile(CachedRoot.Data(digest)) || size > Eviction.MaxBytes || FreeBytes < Fetches.KeepFree) return;
        try
        {
            Eviction.MakeRoom(size);
            Borrow(CachedRoot, digest);
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
