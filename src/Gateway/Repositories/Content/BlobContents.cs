using System.Collections.Concurrent;
using System.Diagnostics;
using BitFaster.Caching.Lru;
using Gateway.Policy;
using Gateway.Policy.Media;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// Finds out what the bytes of blobs are. Each blob is read once, and the result is cached by digest. When the cache drops a result, the
/// blob is read again.
/// </summary>
internal sealed class BlobContents
{
    /// <summary>Maximum number of results that are cached, about 350 bytes each.</summary>
    private const int Most = 50_000;

    /// <summary>
    /// How long one evaluation waits for a blob that is being read; the reading continues. Chosen: clients wait longer than this for a
    /// manifest, people do not.
    /// </summary>
    public static readonly TimeSpan Wait = TimeSpan.FromSeconds(30);

    /// <summary>How long reading one blob may take, including a slow download from an upstream. Chosen: a few GiB at 10 MB/s.</summary>
    private static readonly TimeSpan MaxTime = TimeSpan.FromMinutes(10);

    private static readonly MediaSniffer Sniffer = new(Zstd.Unpack);

    /// <summary>Which blobs are plain documents.</summary>
    public BlobDocuments Documents { get; } = new();

    private readonly ConcurrentLru<Digest, Content> _found = new(Most);
    private readonly ConcurrentDictionary<(Digest, BlobUseKind), Lazy<Task<Content?>>> _running = new();

    // Unpacking one blob uses a processor and at most 128 MiB (zstd's window), so the limit is for the process, not for one instance.
    private static readonly UnpackingTurns Turns = new(Math.Max(2, Environment.ProcessorCount), TimeProvider.System);

    /// <summary>What a blob is; the blob is read now if it is not cached. Null when its bytes are not here.</summary>
    /// <param name="use"><see cref="BlobUse.Whole"/> fetches a blob that is not here; <see cref="BlobUse.Here"/> does not.</param>
    /// <param name="account">The account whose turn to unpack is used (<see cref="UnpackingTurns"/>).</param>
    /// <param name="patience">Ends the wait, not the reading.</param>
    public async ValueTask<Content?> FindAsync(
        IRepositoryContent backing, Descriptor blob, BlobUse use, string account, CancellationToken patience)
    {
        if (_found.TryGet(blob.Digest, out var known)) return known;
        var key = (blob.Digest, use.Kind);
        var reading = _running.GetOrAdd(key, _ => new(() => Task.Run(() => ReadAsync(backing, blob, use, account))));
        try
        {
            return await reading.Value.WaitAsync(patience);
        }
        catch (OperationCanceledException)
        {
            return Content.Later("is still being read, or waits for its turn");
        }
    }

    private async Task<Content?> ReadAsync(IRepositoryContent backing, Descriptor blob, BlobUse use, string account)
    {
        try
        {
            await Turns.EnterAsync(account);
        }
        catch (UnpackingRefusedException e)
        {
            _running.TryRemove((blob.Digest, use.Kind), out _);
            return Content.Later(e.Message);
        }
        var begun = Stopwatch.GetTimestamp();
        using var deadline = new CancellationTokenSource(MaxTime);
        try
        {
            var result = await backing.OpenBlobAsync(blob.Digest, use, deadline.Token);
            if (result is Result<IContent>.Unavailable no) return Content.Later($"could not be obtained: {no.Why}");
            if (result is not Result<IContent>.Found { Value: var opened })
                return use.Kind == BlobUseKind.Here ? null : Content.Unread("could not be obtained for inspection");
            await using var content = opened;
            var source = new Source(content, content.Length ?? blob.Size);
            var found = await Sniffer.ReadAsync(source, deadline.Token, unpacked => Turns.Charge(account, unpacked));
            _found.AddOrUpdate(blob.Digest, found);
            PolicyMetrics.LookedThrough(found, begun);
            return found;
        }
        catch (UnpackingRefusedException e)
        {
            return Content.Later(e.Message);
        }
        catch (IOException e)
        {
            // The upstream ended the transfer, or the file cannot be read. A later attempt may succeed.
            return Content.Later($"could not be read: {e.Message}");
        }
        catch (Exception e) when (e is OperationCanceledException or OutOfMemoryException)
        {
            var unread = Content.Unread(e switch
            {
                OperationCanceledException => $"took more than {MaxTime.TotalMinutes} minutes to read",
                _ => $"could not be read: {e.Message}",
            });
            PolicyMetrics.LookedThrough(unread, begun);
            return unread;
        }
        finally
        {
            Turns.Leave(account);
            _running.TryRemove((blob.Digest, use.Kind), out _);
        }
    }

    internal sealed class Source(IContent content, long length) : IByteSource
    {
        private long _offset;

        public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            var count = (int)Math.Min(buffer.Length, length - _offset);
            if (count > 0) await content.ReadAtAsync(buffer[..count], _offset, cancellationToken);
            _offset += count;
            return count;
        }
    }
}
