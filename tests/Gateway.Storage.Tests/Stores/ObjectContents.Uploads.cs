using System.Text.Json;
using Gateway.Oci;

namespace Gateway.Storage.Tests;

/// <summary>
/// Uploads in an object store. The chunks are objects, so that they can be read back; a session object lists their lengths, and is replaced
/// by conditional PUTs. A commit joins the chunks by a multipart upload.
/// </summary>
internal sealed partial class ObjectContents
{
    // Bytes that are collected before a chunk is stored.
    private const int Chunk = 3000;

    private string SessionOf(string id) => $"{prefix}uploads/{id}/session";

    private string ChunkOf(string id, int number) => $"{prefix}uploads/{id}/{number}";

    public async ValueTask<IUploadData> CreateUploadAsync(string id, CancellationToken cancellationToken) =>
        new ObjectUpload(this, id, [], await bucket.PutAsync(SessionOf(id), "[]"u8.ToArray(), PutCondition.Absent, cancellationToken));

    public async ValueTask<IUploadData?> OpenUploadAsync(string id, long length, CancellationToken cancellationToken)
    {
        if (await SessionAsync(id, cancellationToken) is not var (lengths, etag)) return null;
        var upload = new ObjectUpload(this, id, lengths, etag);
        if (length >= 0 && length < upload.Length) await upload.CutAsync(length, cancellationToken);
        return upload;
    }

    private async ValueTask<(List<int> Lengths, string ETag)?> SessionAsync(string id, CancellationToken cancellationToken) =>
        await bucket.GetAsync(SessionOf(id), 0, 1 << 20, cancellationToken) is var (bytes, etag)
            ? (JsonSerializer.Deserialize<List<int>>(bytes)!, etag)
            : null;

    public async ValueTask<UploadFacts?> FindUploadAsync(string id, CancellationToken cancellationToken) =>
        await SessionAsync(id, cancellationToken) is var (lengths, _)
            && await bucket.HeadAsync(SessionOf(id), cancellationToken) is { } session
            ? new UploadFacts(lengths.Sum(), session.Written)
            : null;

    public async ValueTask CommitUploadAsync(string id, Digest digest, CancellationToken cancellationToken)
    {
        if (await SessionAsync(id, cancellationToken) is not var (lengths, _)) return;
        if (lengths.Count == 0) await PutAsync(digest, ReadOnlyMemory<byte>.Empty, Put.Durable, cancellationToken);
        else await MultipartAsync(digest, CopyAsync, cancellationToken);
        await RemoveUploadAsync(id, cancellationToken);

        async ValueTask CopyAsync(PartWriter parts)
        {
            for (var i = 0; i < lengths.Count; i++)
            {
                var chunk = await bucket.GetAsync(ChunkOf(id, i), 0, lengths[i], cancellationToken);
                await parts.WriteAsync(chunk!.Value.Bytes, cancellationToken);
            }
        }
    }

    public async ValueTask<bool> RemoveUploadAsync(string id, CancellationToken cancellationToken)
    {
        if (await SessionAsync(id, cancellationToken) is not var (lengths, _)) return false;
        for (var i = 0; i < lengths.Count; i++) await bucket.DeleteAsync(ChunkOf(id, i), cancellationToken);
        await bucket.DeleteAsync(SessionOf(id), cancellationToken);
        return true;
    }

    private sealed class ObjectUpload(ObjectContents store, string id, List<int> lengths, string etag) : IUploadData
    {
        private readonly MemoryStream _tail = new();
        private string _etag = etag;

        public long Length => lengths.Sum() + _tail.Length;

        public async ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            _tail.Write(bytes.Span);
            if (_tail.Length >= Chunk) await FlushAsync();
        }

        public async ValueTask ReadAsync(Action<ReadOnlyMemory<byte>> use, CancellationToken cancellationToken)
        {
            for (var i = 0; i < lengths.Count; i++)
            {
                var chunk = await store.Bucket.GetAsync(store.ChunkOf(id, i), 0, lengths[i], cancellationToken);
                if (chunk is not { } found || found.Bytes.Length < lengths[i])
                    throw new EndOfStreamException($"expected {lengths[i]} bytes in chunk {i} of the upload session");
                use(found.Bytes);
            }
            use(_tail.ToArray());
        }

        public async ValueTask FlushAsync()
        {
            if (_tail.Length == 0) return;
            await store.Bucket.PutAsync(store.ChunkOf(id, lengths.Count), _tail.ToArray(), PutCondition.None, default);
            lengths.Add((int)_tail.Length);
            _tail.SetLength(0);
            await NoteAsync(default);
        }

        /// <summary>Drops the bytes after a length.</summary>
        public async ValueTask CutAsync(long length, CancellationToken cancellationToken)
        {
            while (Length > length)
            {
                var last = lengths.Count - 1;
                var kept = (int)Math.Max(lengths[last] - (Length - length), 0);
                if (kept > 0)
                {
                    var chunk = (await store.Bucket.GetAsync(store.ChunkOf(id, last), 0, kept, cancellationToken))!.Value.Bytes;
                    await store.Bucket.PutAsync(store.ChunkOf(id, last), chunk, PutCondition.None, cancellationToken);
                    lengths[last] = kept;
                }
                else lengths.RemoveAt(last);
            }
            await NoteAsync(cancellationToken);
        }

        private async ValueTask NoteAsync(CancellationToken cancellationToken) => _etag = await store.Bucket.PutAsync(
            store.SessionOf(id), JsonSerializer.SerializeToUtf8Bytes(lengths), PutCondition.Match(_etag), cancellationToken);

        // The session may have ended while this caller had it.
        public async ValueTask DisposeAsync()
        {
            if (await store.Bucket.HeadAsync(store.SessionOf(id), default) is not null) await FlushAsync();
            await _tail.DisposeAsync();
        }
    }
}
