using System.Security.Cryptography;
using Gateway.Oci;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage.Tests;

/// <summary>
/// Content in an object store: the second implementation of <see cref="IContentStore"/>, which holds the interface to S3's verbs.
/// </summary>
internal sealed partial class ObjectContents(IBucket bucket, string prefix = "") : IContentStore
{
    // Bytes of a read of a range.
    private const int Piece = 4096;

    private readonly Lock _lock = new();
    private readonly Dictionary<Digest, int> _readers = [];
    private readonly HashSet<Digest> _removing = [];
    private readonly Dictionary<Digest, string> _damaged = [];

    public string Data(Digest digest) => $"{prefix}blobs/{digest.AlgorithmName}/{digest.Hex[..2]}/{digest.Hex}/data";

    public async ValueTask<long?> FindAsync(Digest digest, long size, CancellationToken cancellationToken) =>
        await HeadAsync(digest, cancellationToken) is { } found && Fits(digest, found, size) ? found.Length : null;

    public async ValueTask<Opened> OpenAsync(Digest digest, Digest requested, long size, CancellationToken cancellationToken)
    {
        if (await HeadAsync(digest, cancellationToken) is not { } found) return default;
        if (!Fits(digest, found, size)) return new(null, IsUnfit: true);
        lock (_lock) _readers[digest] = _readers.GetValueOrDefault(digest) + 1;
        return new(new ObjectContent(this, digest, requested, found.Length), IsUnfit: false);
    }

    // An object that waits for its last reader is not stored any more.
    private async ValueTask<ObjectFacts?> HeadAsync(Digest digest, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_removing.Contains(digest)) return null;
        }
        return await bucket.HeadAsync(Data(digest), cancellationToken);
    }

    private bool Fits(Digest digest, ObjectFacts found, long size)
    {
        lock (_lock) return (size < 0 || found.Length == size) && _damaged.GetValueOrDefault(digest) != found.ETag;
    }

    public async ValueTask<byte[]?> ReadAsync(Digest digest, int most, CancellationToken cancellationToken)
    {
        if (await bucket.GetAsync(Data(digest), 0, most + 1L, cancellationToken) is not var (bytes, etag)) return null;
        if (bytes.Length > most) return null;
        lock (_lock) return _removing.Contains(digest) || _damaged.GetValueOrDefault(digest) == etag ? null : bytes;
    }

    public async ValueTask<Examined> ExamineAsync(Digest digest, CancellationToken cancellationToken)
    {
        if (await HeadAsync(digest, cancellationToken) is not { } found) return default;
        using var hash = IncrementalHash.CreateHash(Digest.HashName(digest.Algorithm));
        for (long at = 0; at < found.Length; at += Piece)
        {
            if (await bucket.GetAsync(Data(digest), at, Piece, cancellationToken) is not var (bytes, _)) return default;
            hash.AppendData(bytes);
        }
        if (Digest.FromHash(digest.Algorithm, hash.GetHashAndReset()) == digest) return new(found.Length, IsDamaged: false);
        lock (_lock) _damaged[digest] = found.ETag;
        return new(null, IsDamaged: true);
    }

    // Always durable, and the same key always has the same content.
    public async ValueTask PutAsync(Digest digest, ReadOnlyMemory<byte> bytes, Put kind, CancellationToken cancellationToken)
    {
        await bucket.PutAsync(Data(digest), bytes, PutCondition.None, cancellationToken);
        Stored(digest);
    }

    public async ValueTask BorrowAsync(Digest digest, long size, IContentStore from, CancellationToken cancellationToken)
    {
        if (await FindAsync(digest, size, cancellationToken) is not null) return;
        await using var content = (await from.OpenAsync(digest, digest, size, cancellationToken)).Content
            ?? throw new FileNotFoundException($"expected the bytes of {digest} in another store, got none");
        await MultipartAsync(digest, part => content.CopyToAsync(part, 0, null, cancellationToken), cancellationToken);
    }

    private async ValueTask MultipartAsync(Digest digest, Func<PartWriter, ValueTask> write, CancellationToken cancellationToken)
    {
        var id = await bucket.CreateMultipartAsync(Data(digest), cancellationToken);
        try
        {
            var parts = new PartWriter(bucket, Data(digest), id);
            await write(parts);
            await parts.EndAsync(cancellationToken);
            await bucket.CompleteMultipartAsync(Data(digest), id, parts.Stored, cancellationToken);
        }
        catch
        {
            await bucket.AbortMultipartAsync(Data(digest), id, default);
            throw;
        }
        Stored(digest);
    }

    private void Stored(Digest digest)
    {
        lock (_lock)
        {
            _removing.Remove(digest);
            _damaged.Remove(digest);
        }
    }

    // S3 removes an object under its readers. Those of this process are waited for; the collector waits for those of others.
    public async ValueTask<bool> RemoveAsync(Digest digest, bool evenIfRead, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var isRead = _readers.ContainsKey(digest);
            if (isRead && !evenIfRead) return false;
            if (isRead)
            {
                _removing.Add(digest);
                return true;
            }
        }
        await bucket.DeleteAsync(Data(digest), cancellationToken);
        return true;
    }

    private async ValueTask LeaveAsync(Digest digest, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (--_readers[digest] > 0) return;
            _readers.Remove(digest);
            if (!_removing.Remove(digest)) return;
        }
        await bucket.DeleteAsync(Data(digest), cancellationToken);
    }

    /// <summary>Content that is read by GETs of ranges.</summary>
    private sealed class ObjectContent(ObjectContents store, Digest digest, Digest requested, long length) : IContent
    {
        private int _disposed;

        public Digest Digest => requested;

        public long? Length => length;

        public bool IsVerified => true;

        public async ValueTask CopyToAsync(IBodyWriter writer, long offset, long? count, CancellationToken cancellationToken)
        {
            for (var end = offset + (count ?? length - offset); offset < end;)
            {
                if (await store.Bucket.GetAsync(store.Data(digest), offset, Math.Min(Piece, end - offset), cancellationToken)
                    is not var (bytes, _))
                    throw new IOException($"{digest} was removed from the bucket");
                if (bytes.Length == 0) throw new EndOfStreamException($"{digest} ended early, at offset {offset}");
                await writer.WriteAsync(bytes, cancellationToken);
                offset += bytes.Length;
            }
        }

        public ValueTask DisposeAsync() =>
            Interlocked.Exchange(ref _disposed, 1) == 0 ? store.LeaveAsync(digest, default) : ValueTask.CompletedTask;
    }

    private IBucket Bucket => bucket;

    /// <summary>Collects bytes into parts that are large enough.</summary>
    private sealed class PartWriter(IBucket bucket, string key, string id) : IBodyWriter
    {
        private readonly List<byte> _part = [];

        /// <summary>The parts that are stored.</summary>
        public List<(int Number, string ETag)> Stored { get; } = [];

        public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            _part.AddRange(bytes.Span);
            if (_part.Count >= bucket.MinPart) await EndAsync(cancellationToken);
        }

        public async ValueTask SendFileAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken)
        {
            var bytes = new byte[count];
            for (var at = 0; at < count; at += RandomAccess.Read(file, bytes.AsSpan(at), offset + at))
            {
            }
            await WriteAsync(bytes, cancellationToken);
        }

        /// <summary>Uploads what is collected.</summary>
        public async ValueTask EndAsync(CancellationToken cancellationToken)
        {
            if (_part.Count == 0) return;
            var number = Stored.Count + 1;
            Stored.Add((number, await bucket.UploadPartAsync(key, id, number, _part.ToArray(), cancellationToken)));
            _part.Clear();
        }
    }
}
