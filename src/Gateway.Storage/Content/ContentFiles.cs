namespace Gateway.Storage;

/// <summary>The content of one root on the local disk: a file for each digest, in distribution's layout.</summary>
/// <param name="uploads">The folder of uploads, on the same file system; all roots of a volume share it.</param>
/// <param name="trash">Where removed content stays for a day; null to remove it at once.</param>
internal sealed partial class ContentFiles(
    Root root, string uploads, SmallFiles files, Durability durability, OpenFiles open, ManifestCache manifests, Damage damage,
    RecentUses uses, ByteLocks places, Trash? trash) : IContentStore
{
    // Chosen: the number of concurrent writes of large manifests and borrowed blobs that may wait for the disk.
    private readonly Lock[] _durable = [.. Enumerable.Range(0, 16).Select(_ => new Lock())];

    public ValueTask<long?> FindAsync(Digest digest, long size, CancellationToken cancellationToken) => new(Find(digest, size));

    /// <summary>See <see cref="FindAsync"/>.</summary>
    public long? Find(Digest digest, long size) =>
        Disk.LengthOf(root.Data(digest)) is { } length && Fits(digest, length, size) && !damage.IsKnown(root, digest) ? length : null;

    /// <summary>
    /// Whether a file of another root is the same file: a hard link, whose bytes stay on the disk when this name is removed.
    /// </summary>
    public bool IsShared(Digest digest) => Disk.Find(root.Data(digest)) is { Names: > 1 };

    // A power cut usually leaves empty files; for those the digest alone is enough.
    private static bool Fits(Digest digest, long length, long size) =>
        size >= 0 ? length == size : length > 0 || Digest.Of([], digest.Algorithm) == digest;

    public ValueTask<Opened> OpenAsync(Digest digest, Digest requested, long size, CancellationToken cancellationToken)
    {
        if (open.Open(root, digest) is not { } file) return new(new Opened(null, IsUnfit: damage.IsAside(root, digest)));
        if (Fits(digest, file.Length, size) && !damage.IsKnown(root, digest))
            return new(new Opened(new FileContent(file, requested, Suspected), IsUnfit: false));
        file.Release();
        return new(new Opened(null, IsUnfit: true));
    }

    // Reads on the caller's thread: a manifest is some KiB, mostly from the page cache.
    public ValueTask<byte[]?> ReadAsync(Digest digest, int most, CancellationToken cancellationToken)
    {
        if (damage.IsKnown(root, digest)) return default;
        if (open.Open(root, digest) is not { } file)
        {
            if (!damage.IsDue(root, digest) || BringBack(digest) is null || open.Open(root, digest) is not { } back) return default;
            file = back;
        }
        try
        {
            return new(file.Length > most ? null : ReadAll(file));
        }
        catch (IOException e) when (Damage.IsOfTheDisk(e))
        {
            Suspected?.Invoke(digest);
            throw;
        }
        finally
        {
            file.Release();
        }
    }

    private static byte[] ReadAll(OpenFile file)
    {
        var bytes = new byte[file.Length];
        for (var at = 0; at < bytes.Length;)
        {
            var count = RandomAccess.Read(file.Handle, bytes.AsSpan(at), at);
            if (count == 0) return bytes[..at];
            at += count;
        }
        return bytes;
    }

    public ValueTask PutAsync(Digest digest, ReadOnlyMemory<byte> bytes, Put kind, CancellationToken cancellationToken)
    {
        if (kind == Put.Durable) WriteFlushed(digest, bytes.Span);
        else Place(digest, bytes.Span, kind);
        return ValueTask.CompletedTask;
    }

    /// <summary>See <see cref="PutAsync"/>; nothing is flushed.</summary>
    public void Place(Digest digest, ReadOnlySpan<byte> bytes, Put kind)
    {
        uses.Note(digest);
        lock (places.Of(digest))
        {
            if (SmallFiles.TryWriteNew(root.Data(digest), bytes)) Replaced(digest);
            else if (kind == Put.Replayed || !Holds(digest, bytes)) Write(digest, bytes);
        }
    }

    private void Write(Digest digest, ReadOnlySpan<byte> bytes)
    {
        try
        {
            files.Write(root.Data(digest), bytes);
            Replaced(digest);
        }
        catch (IOException) when (Holds(digest, bytes))
        {
            // A replay on a volume that has no room for another file.
        }
    }

    private void WriteFlushed(Digest digest, ReadOnlySpan<byte> bytes)
    {
        uses.Note(digest);
        lock (DurableOf(digest))
        {
            lock (places.Of(digest))
            {
                if (Holds(digest, bytes)) return;
            }
            files.Write(root.Data(digest), bytes, flush: true);
            Replaced(digest);
            FlushNames(digest);
        }
    }

    /// <summary>Whether these bytes are stored under this digest; false for a file that a power cut damaged.</summary>
    private bool Holds(Digest digest, ReadOnlySpan<byte> bytes)
    {
        var data = root.Data(digest);
        return Disk.LengthOf(data) == bytes.Length && bytes.SequenceEqual(File.ReadAllBytes(data));
    }

    public async ValueTask BorrowAsync(Digest digest, long size, IContentStore from, CancellationToken cancellationToken)
    {
        uses.Note(digest);
        if (HasInPlace(digest, size)) return;
        if (from is ContentFiles local) Link(digest, size, local.PathOf(digest));
        else Place(digest, size, await CopyAsync(digest, size, from, cancellationToken));
    }

    /// <summary>
    /// Whether this root has some content and keeps it: a caller that noted the use of the content before can rely on the answer.
    /// </summary>
    /// <param name="size">See <see cref="FindAsync"/>.</param>
    public bool HasInPlace(Digest digest, long size)
    {
        lock (places.Of(digest)) return Find(digest, size) is not null;
    }

    private void Link(Digest digest, long size, string existing)
    {
        lock (DurableOf(digest))
        {
            if (HasInPlace(digest, size)) return;
            MakeRoom(digest);
            files.LinkOrCopy(existing, root.Data(digest));
            Replaced(digest);
            FlushNames(digest);
        }
    }

    private void Place(Digest digest, long size, string copy)
    {
        lock (DurableOf(digest))
        {
            if (HasInPlace(digest, size))
            {
                File.Delete(copy);
                return;
            }
            MakeRoom(digest);
            File.Move(copy, root.Data(digest));
            Replaced(digest);
            FlushNames(digest);
        }
    }

    // A file of another size is damaged.
    private void MakeRoom(Digest digest)
    {
        var to = root.Data(digest);
        Directory.CreateDirectory(Path.GetDirectoryName(to)!);
        File.Delete(to);
    }

    private string PathOf(Digest digest) => root.Data(digest);

    private async ValueTask<string> CopyAsync(Digest digest, long size, IContentStore from, CancellationToken cancellationToken)
    {
        await using var content = (await from.OpenAsync(digest, digest, size, cancellationToken)).Content
            ?? throw new FileNotFoundException($"expected the bytes of {digest} in another store, got none", root.Data(digest));
        var copy = files.Temporary();
        using var file = File.OpenHandle(copy, FileMode.Create, FileAccess.ReadWrite, options: FileOptions.Asynchronous);
        await content.CopyToAsync(new FileBodyWriter(file), 0, null, cancellationToken);
        durability.Flush(file, copy);
        return copy;
    }

    /// <summary>
    /// Records that there is another file under this digest than before: everything that was opened, read or found damaged of the
    /// previous file is forgotten. All code that replaces a file must call this.
    /// </summary>
    private void Replaced(Digest digest)
    {
        uses.Note(digest);
        open.Forget(root.Lifetime, digest);
        manifests.Remove(digest);
        damage.Healed(root, digest);
    }

    /// <summary>Moves a flushed file of the same file system to its place, in place of what is stored under the digest.</summary>
    public void Take(string file, Digest digest)
    {
        uses.Note(digest);
        lock (places.Of(digest)) SmallFiles.Move(file, root.Data(digest));
        Replaced(digest);
    }

    /// <summary>Moves a file that was durable here before back to its place, durably; it is not the place of another file.</summary>
    public void Restore(string file, Digest digest)
    {
        Take(file, digest);
        FlushNames(digest);
    }

    public ValueTask<bool> RemoveAsync(Digest digest, bool evenIfRead, CancellationToken cancellationToken) =>
        new(Remove(digest, evenIfRead));

    /// <summary>See <see cref="RemoveAsync"/>.</summary>
    /// <param name="isInUse">Whether the content is in use; asked once no writer can begin to use it unnoticed. Null for never.</param>
    /// <param name="toTrash">Whether it goes to the trash, if this store has one.</param>
    public bool Remove(Digest digest, bool evenIfRead, Func<bool>? isInUse = null, bool toTrash = true)
    {
        if (Disk.LengthOf(root.Data(digest)) is not { } length) return true;
        var folder = Path.GetDirectoryName(root.Data(digest))!;
        var gone = files.Temporary();
        lock (places.Of(digest))
        {
            if (isInUse?.Invoke() == true) return false;
            // In one step, so that no reader finds half of it; the slow removal follows.
            var isRemoved = open.TryRemove(root.Lifetime, digest, evenIfRead, () =>
            {
                if (trash is not null && toTrash) trash.Take(folder, DiskCost.OfContent(length));
                // A change may be about to link the same bytes into the folder.
                else if (root.Lifetime == Lifetime.Staged) File.Delete(root.Data(digest));
                else Directory.Move(folder, gone);
            });
            if (!isRemoved) return false;
            manifests.Remove(digest);
            damage.Healed(root, digest);
        }
        if (Disk.HasFolder(gone)) Directory.Delete(gone, recursive: true);
        return true;
    }

    /// <summary>
    /// Held from the check for a file until its name is durable: otherwise another request could find the file too early and acknowledge
    /// it.
    /// </summary>
    private Lock DurableOf(Digest digest) => _durable[(uint)digest.GetHashCode() % (uint)_durable.Length];

    /// <summary>
    /// Makes the names above some content durable. If that fails, removes the content, which would otherwise be considered durable.
    /// </summary>
    private void FlushNames(Digest digest)
    {
        var data = root.Data(digest);
        try
        {
            var folder = Path.GetDirectoryName(data)!;
            for (; folder.Length >= root.Blobs.Length; folder = Path.GetDirectoryName(folder)!) durability.FlushFolder(folder);
        }
        catch
        {
            // A restart would find the file, but no acknowledged change names it.
            Disk.TryDelete(data);
            throw;
        }
    }
}
