using System.Collections.Concurrent;

namespace Gateway.Storage;

/// <summary>
/// Copies of pushed content on the local disk, whose truth is in a bucket. A copy is made while the content is first read, once for all
/// readers; it is checked against the digest, and moved into the cached root. There it is evicted as fetched content is, and counts to
/// <c>cache.maxSize</c> with it: the bytes of a digest are the same, wherever they came from.
/// </summary>
internal sealed class LocalCopies(
    ContentFiles cached, FetchFiles fetches, Eviction eviction, SmallFiles files, Durability durability, ILogger logger) : IAsyncDisposable
{
    /// <summary>
    /// A reader does not wait for the copy to reach bytes that are farther ahead than this: it reads them from the bucket. The copy reaches
    /// nearer ones in a moment. As for early ranges of fetches.
    /// </summary>
    private const long Lookahead = 1 << 20;

    /// <summary>
    /// Bytes that a reader reads from the bucket before it looks again how far the copy is. As for early ranges of fetches.
    /// </summary>
    private const long Chunk = 4 << 20;

    /// <summary>Copies under way at a time; readers of others wait a moment. Chosen: twice the fetches from one upstream.</summary>
    private const int MaxCopies = 64;

    private readonly SemaphoreSlim _places = new(MaxCopies, MaxCopies);
    private readonly Lock _gate = new();
    private readonly Dictionary<Digest, LocalCopy> _copies = [];
    private readonly ConcurrentDictionary<Task, byte> _running = new();
    private readonly CancellationTokenSource _stop = new();

    /// <summary>Opens a copy that is whole, as any file of the cached root. See <see cref="IContentStore.OpenAsync"/>.</summary>
    public ValueTask<Opened> OpenAsync(Digest digest, Digest requested, long size, CancellationToken cancellationToken) =>
        cached.OpenAsync(digest, requested, size, cancellationToken);

    /// <summary>Reads a small copy whole. See <see cref="IContentStore.ReadAsync"/>.</summary>
    public ValueTask<byte[]?> ReadAsync(Digest digest, int most, CancellationToken cancellationToken) =>
        cached.ReadAsync(digest, most, cancellationToken);

    /// <summary>
    /// Sends a reader a range of content that has no whole copy: from the copy as it grows, or from the bucket what the copy does not reach
    /// soon, and everything when there is no room for a copy. The last byte of the copy, and of content that a reader gets whole in any
    /// way, follows after the digest matched. Throws <see cref="IOException"/> when the bytes in the bucket have another digest.
    /// </summary>
    /// <param name="end">One past the last byte; more than <paramref name="offset"/>.</param>
    public async ValueTask CopyToAsync(
        IContentSource source, IBodyWriter writer, long offset, long end, CancellationToken cancellationToken)
    {
        // It may have been completed since the content was opened.
        if ((await cached.OpenAsync(source.Digest, source.Digest, source.Length, cancellationToken)).Content is { } whole)
        {
            await using (whole) await whole.CopyToAsync(writer, offset, end - offset, cancellationToken);
            return;
        }
        var copy = Join(source);
        try
        {
            var reached = copy is null ? offset : await FollowAsync(copy, source, writer, offset, end, cancellationToken);
            if (reached == end) return;
            if (offset == 0 && end == source.Length) await PassRestAsync(copy, source, writer, reached, cancellationToken);
            else await source.PassAsync(writer, reached, end, cancellationToken);
        }
        finally
        {
            copy?.Leave();
        }
    }

    /// <summary>Sends the rest of content that the reader gets whole, and the last byte after the digest of all bytes matched.</summary>
    /// <param name="copy">From which the reader has received the first bytes; null for none.</param>
    /// <param name="sent">How many these are.</param>
    private async ValueTask PassRestAsync(
        LocalCopy? copy, IContentSource source, IBodyWriter writer, long sent, CancellationToken cancellationToken)
    {
        using var checking = new CheckingWriter(writer, source.Digest.Algorithm, source.Length);
        if (sent > 0) await checking.HashSentAsync(copy!.Handle, sent, cancellationToken);
        var etag = await source.PassAsync(checking, sent, source.Length, cancellationToken);
        if (checking.Found is var found && found == source.Digest)
        {
            await checking.ReleaseAsync(cancellationToken);
            return;
        }
        if (sent == 0 && etag is not null)
        {
            source.IsWrong(etag);
            BucketMetrics.NotCopied("damaged");
            Log.BucketDamaged(logger, source.Digest, source.Length);
        }
        throw new InvalidContentException($"expected {source.Digest} in the bucket, got {source.Length} bytes that are {found}");
    }

    // Returns the offset that it reached: before the end if the copy has failed.
    private static async ValueTask<long> FollowAsync(
        LocalCopy copy, IContentSource source, IBodyWriter writer, long offset, long end, CancellationToken cancellationToken)
    {
        while (offset < end)
        {
            if (copy.IsReadEarly && offset > copy.Position + Lookahead)
            {
                var to = Math.Min(end, offset + Chunk);
                await source.PassAsync(writer, offset, to, cancellationToken);
                offset = to;
                continue;
            }
            if (await copy.TryWaitBeyondAsync(offset, cancellationToken) is not { } readable) break;
            readable = Math.Min(readable, end);
            await writer.SendFileAsync(copy.Handle, offset, readable - offset, cancellationToken);
            offset = readable;
        }
        return offset;
    }

    /// <summary>Whether a copy of some content is being made.</summary>
    public bool IsUnderWay(Digest digest)
    {
        lock (_gate) return _copies.ContainsKey(digest);
    }

    private LocalCopy? Join(IContentSource source)
    {
        lock (_gate)
        {
            if (_copies.TryGetValue(source.Digest, out var running) && running.TryJoin()) return running;
            if (_stop.IsCancellationRequested) return null;
            var copy = new LocalCopy(source, fetches, logger);
            copy.TryJoin();
            _copies[source.Digest] = copy;
            Run(() => RunAsync(copy));
            return copy;
        }
    }

    private async Task RunAsync(LocalCopy copy)
    {
        try
        {
            await copy.RunAsync(_places, _stop.Token);
        }
        finally
        {
            lock (_gate)
            {
                if (_copies.TryGetValue(copy.Digest, out var current) && ReferenceEquals(current, copy)) _copies.Remove(copy.Digest);
            }
            copy.Leave();
        }
    }

    /// <summary>Keeps a document that was read from the bucket, if it has its digest. The caller does not wait for the disk.</summary>
    public void Keep(Digest digest, byte[] bytes)
    {
        if (_stop.IsCancellationRequested || Digest.Of(bytes, digest.Algorithm) != digest) return;
        Run(() => TryStoreAsync(digest, bytes.Length, () => cached.PutAsync(digest, bytes, Put.Journaled, CancellationToken.None).Wait()));
    }

    /// <summary>
    /// Keeps a file of the volume whose bytes were checked against this digest and are in the bucket; otherwise removes the file. The
    /// caller does not wait for the disk.
    /// </summary>
    public void Keep(Digest digest, string file, long length)
    {
        if (_stop.IsCancellationRequested)
        {
            Disk.TryDelete(file);
            return;
        }
        Run(async () =>
        {
            await TryStoreAsync(digest, length, () =>
            {
                using (var handle = File.OpenHandle(file, access: FileAccess.ReadWrite, share: FileShare.ReadWrite | FileShare.Delete))
                    durability.Flush(handle, file);
                cached.Take(file, digest);
            });
            Disk.TryDelete(file);
        });
    }

    /// <summary>A new name for a file of this volume that may be kept. The next start removes files that were not.</summary>
    public string NewFile() => files.Temporary();

    /// <summary>Whether a file of this length may be kept: the cache has room for it.</summary>
    public bool CanKeep(long length) => fetches.HasRoomFor(length);

    private async Task TryStoreAsync(Digest digest, long length, Action store)
    {
        try
        {
            // Publishing waits until the content of earlier processes is counted.
            await eviction.Counted.WaitAsync(_stop.Token);
            if (cached.Find(digest, length) is not null) return;
            if (!fetches.HasRoomFor(length))
            {
                BucketMetrics.NotCopied("skipped");
                return;
            }
            eviction.Publish(digest, length, store);
            BucketMetrics.Copied(length);
        }
        catch (OperationCanceledException)
        {
            // The next reader copies it.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            BucketMetrics.NotCopied("failed");
            Log.NotCopied(logger, e, digest);
        }
    }

    /// <summary>
    /// Removes a copy, because its content is removed from the bucket. False, and nothing is done, while a client reads it, unless readers
    /// do not matter.
    /// </summary>
    public bool Remove(Digest digest, bool evenIfRead)
    {
        if (cached.Find(digest, -1) is null) return true;
        if (!cached.Remove(digest, evenIfRead)) return false;
        eviction.Purge(digest);
        return true;
    }

    private void Run(Func<Task> work)
    {
        var task = Task.Run(work);
        _running[task] = 0;
        _ = task.ContinueWith(ended => _running.TryRemove(ended, out _), TaskScheduler.Default);
    }

    /// <summary>Stops the running copies; what they have on the disk is continued by a later one.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate) _stop.Cancel();
        await Task.WhenAll(_running.Keys).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
