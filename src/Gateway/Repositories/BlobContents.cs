using System.Collections.Concurrent;
using System.Diagnostics;
using Gateway.Oci;
using Gateway.Policy;
using Gateway.Policy.Media;
using Gateway.Storage;

namespace Gateway.Repositories;

/// <summary>
/// What the bytes of blobs are: each is read once, by whoever asks first, and the finding kept by digest. It may be lost; then the blob is
/// read again.
/// </summary>
internal sealed class BlobContents
{
    /// <summary>Findings kept, about 300 bytes each; beyond it all are forgotten.</summary>
    private const int Most = 50_000;

    /// <summary>
    /// How long one question waits for what is being read; the reading goes on. Chosen: clients wait longer for a manifest, people do not.
    /// </summary>
    public static readonly TimeSpan Wait = TimeSpan.FromSeconds(30);

    /// <summary>How long one blob may be read, as slowly as it may come from an upstream. Chosen: a few GiB at 10 MB/s.</summary>
    private static readonly TimeSpan MaxTime = TimeSpan.FromMinutes(10);

    private static readonly MediaSniffer Sniffer = new(Zstd.Unpack);

    /// <summary>Which of them are plain documents.</summary>
    public BlobDocuments Documents { get; } = new();

    private readonly ConcurrentDictionary<Digest, Content> _found = new();
    private readonly ConcurrentDictionary<(Digest, BlobUseKind), Lazy<Task<Content?>>> _running = new();

    // Unpacking takes a processor and at most 128 MiB each (zstd's window), whoever asks: of the process, not of one of these.
    private static readonly SemaphoreSlim Slots = new(Math.Max(2, Environment.ProcessorCount));

    /// <summary>What a blob is, read now if need be; null where its bytes are not here.</summary>
    /// <param name="use">Whether it is fetched if it is not here: <see cref="BlobUse.Whole"/>, else <see cref="BlobUse.Here"/>.</param>
    /// <param name="patience">Ends the waiting, and not the reading.</param>
    public async ValueTask<Content?> FindAsync(IBacking backing, Descriptor blob, BlobUse use, CancellationToken patience)
    {
        if (_found.TryGetValue(blob.Digest, out var known)) return known;
        var key = (blob.Digest, use.Kind);
        var reading = _running.GetOrAdd(key, _ => new(() => Task.Run(() => ReadAsync(backing, blob, use))));
        try
        {
            return await reading.Value.WaitAsync(patience);
        }
        catch (OperationCanceledException)
        {
            return Content.Unread("is still being looked through");
        }
    }

    private async Task<Content?> ReadAsync(IBacking backing, Descriptor blob, BlobUse use)
    {
        await Slots.WaitAsync();
        var begun = Stopwatch.GetTimestamp();
        using var deadline = new CancellationTokenSource(MaxTime);
        try
        {
            if (await backing.OpenBlobAsync(blob.Digest, use, deadline.Token) is not Result<IContent>.Found { Value: var opened })
                return use.Kind == BlobUseKind.Here ? null : Content.Unread("could not be had to be looked through");
            await using var content = opened;
            var found = await Sniffer.ReadAsync(new Source(content, content.Length ?? blob.Size), deadline.Token);
            if (_found.Count >= Most) _found.Clear();
            _found[blob.Digest] = found;
            PolicyMetrics.LookedThrough(found, begun);
            return found;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or DllNotFoundException or InsufficientMemoryException)
        {
            var unread = Content.Unread(e switch
            {
                OperationCanceledException => $"took more than {MaxTime.TotalMinutes} minutes to look through",
                DllNotFoundException => "cannot be looked through, for libzstd.so.1 is not installed",
                _ => $"could not be looked through: {e.Message}",
            });
            PolicyMetrics.LookedThrough(unread, begun);
            return unread;
        }
        finally
        {
            Slots.Release();
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
