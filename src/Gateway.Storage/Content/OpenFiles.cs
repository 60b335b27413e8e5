using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>
/// Open handles of content, so that a hit opens no file. A handle is closed when it is no longer in the cache and its last reader is done.
/// </summary>
public sealed class OpenFiles : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(Lifetime, Digest), LinkedListNode<OpenFile>> _byContent = [];
    private readonly LinkedList<OpenFile> _recent = [];
    private long _removals;

    /// <summary>The largest number of handles without a reader, however many descriptors there are. Chosen: a hot set.</summary>
    public const int MostKept = 512;

    /// <summary>
    /// The number of handles without a reader that stay open, from 1 to <see cref="MostKept"/>; fewer if descriptors are few.
    /// </summary>
    public int Capacity { get; set; } = MostKept;

    /// <summary>Opens the bytes of some content for one reader; null when they are not in this root.</summary>
    internal OpenFile? Open(Root root, Digest digest)
    {
        if (TryHold(root.Lifetime, digest, out var removals) is { } known)
        {
            // If another program truncated or removed the file, it is opened again; fstat(2) takes 0.3 µs.
            if (Disk.Find(known.Handle) is { Names: > 0, Length: var length } && length == known.Length) return known;
            known.Release();
            Forget(root.Lifetime, digest);
        }
        if (OpenAnew(root.Data(digest)) is not { } handle) return null;
        var opened = new OpenFile(root.Lifetime, digest, handle);
        Keep(opened, removals);
        return opened;
    }

    private SafeFileHandle? OpenAnew(string path)
    {
        try
        {
            return Disk.Open(path, FileOptions.Asynchronous);
        }
        catch (UnreadableException e) when (e.IsForWantOfDescriptors)
        {
            lock (_lock) Shrink(to: 0);
            return Disk.Open(path, FileOptions.Asynchronous);
        }
    }

    private OpenFile? TryHold(Lifetime lifetime, Digest digest, out long removals)
    {
        lock (_lock)
        {
            removals = _removals;
            if (!_byContent.TryGetValue((lifetime, digest), out var node)) return null;
            _recent.Remove(node);
            _recent.AddFirst(node);
            node.Value.Hold();
            return node.Value;
        }
    }

    /// <summary>Removes the handle of content that was removed or replaced; its readers can use it until they are done.</summary>
    internal void Forget(Lifetime lifetime, Digest digest)
    {
        lock (_lock)
        {
            _removals++;
            if (_byContent.TryGetValue((lifetime, digest), out var node)) Drop(node);
        }
    }

    /// <summary>
    /// Removes content with <paramref name="remove"/>, and its handle. False, and nothing is done, while a client reads the content, unless
    /// readers do not matter.
    /// </summary>
    internal bool TryRemove(Lifetime lifetime, Digest digest, bool evenIfRead, Action remove)
    {
        lock (_lock)
        {
            var isOpen = _byContent.TryGetValue((lifetime, digest), out var node);
            if (isOpen && node!.Value.IsRead && !evenIfRead) return false;
            remove();
            _removals++;
            if (isOpen) Drop(node!);
            return true;
        }
    }

    // A handle that was opened before a removal may be of the removed file: it serves only its one reader.
    private void Keep(OpenFile opened, long removals)
    {
        lock (_lock)
        {
            if (_removals != removals || _byContent.ContainsKey((opened.Lifetime, opened.Digest))) return;
            opened.Hold();
            _byContent.Add((opened.Lifetime, opened.Digest), _recent.AddFirst(opened));
            Shrink(Capacity);
        }
    }

    private void Shrink(int to)
    {
        // A handle with a reader stays in the cache, so that the reader is known; removing the entry would not close the handle anyway.
        for (var node = _recent.Last; _recent.Count > to && node is not null;)
        {
            var next = node.Previous;
            if (!node.Value.IsRead) Drop(node);
            node = next;
        }
    }

    private void Drop(LinkedListNode<OpenFile> node)
    {
        _recent.Remove(node);
        _byContent.Remove((node.Value.Lifetime, node.Value.Digest));
        node.Value.Release();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            while (_recent.Last is { } node) Drop(node);
        }
    }
}

/// <summary>An open file of known length, shared by its readers.</summary>
internal sealed class OpenFile(Lifetime lifetime, Digest digest, SafeFileHandle handle)
{
    private int _holders = 1;

    public Lifetime Lifetime { get; } = lifetime;

    public Digest Digest { get; } = digest;

    public SafeFileHandle Handle { get; } = handle;

    public long Length { get; } = RandomAccess.GetLength(handle);

    /// <summary>Whether a reader holds it in addition to the cache of open files.</summary>
    public bool IsRead => Volatile.Read(ref _holders) > 1;

    public void Hold() => Interlocked.Increment(ref _holders);

    public void Release()
    {
        if (Interlocked.Decrement(ref _holders) == 0) Handle.Dispose();
    }
}

/// <summary>
/// Content in a whole and verified file. <paramref name="digest"/> is the requested digest; the file may have another digest of the same
/// bytes as its name.
/// </summary>
internal sealed class FileContent(OpenFile file, Digest digest, Action<Digest>? suspected = null) : IContent
{
    private int _disposed;

    public Digest Digest { get; } = digest;

    public long? Length => file.Length;

    public bool IsVerified => true;

    public ValueTask CopyToAsync(IBodyWriter writer, long offset, long? count, CancellationToken cancellationToken)
    {
        var sending = writer.SendFileAsync(file.Handle, offset, count ?? file.Length - offset, cancellationToken);
        return sending.IsCompletedSuccessfully ? sending : ObserveAsync(sending);
    }

    // A file that ends early, or that the disk cannot read, is examined as a whole. The reader's connection is broken.
    private async ValueTask ObserveAsync(ValueTask sending)
    {
        try
        {
            await sending;
        }
        catch (IOException e) when (e is EndOfStreamException || Damage.IsOfTheDisk(e))
        {
            suspected?.Invoke(file.Digest);
            throw;
        }
    }

    /// <summary>Fills a buffer on the caller's thread.</summary>
    public void Read(Span<byte> buffer, long offset)
    {
        try
        {
            while (!buffer.IsEmpty)
            {
                var count = RandomAccess.Read(file.Handle, buffer, offset);
                if (count == 0)
                    throw new EndOfStreamException($"the file of {Digest} ended {buffer.Length} bytes early, at offset {offset}");
                buffer = buffer[count..];
                offset += count;
            }
        }
        catch (IOException e) when (e is EndOfStreamException || Damage.IsOfTheDisk(e))
        {
            suspected?.Invoke(file.Digest);
            throw;
        }
    }

    public ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0) file.Release();
        return ValueTask.CompletedTask;
    }
}
