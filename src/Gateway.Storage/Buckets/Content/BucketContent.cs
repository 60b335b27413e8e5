using System.Buffers;

namespace Gateway.Storage;

internal sealed partial class BucketContents
{
    /// <summary>
    /// Content that one reader reads from the bucket, by way of the local copy if there is one. Nothing is requested before the reader asks
    /// for bytes.
    /// </summary>
    private sealed class BucketContent(BucketContents store, Digest digest, Digest requested, long length) : IContent, IContentSource
    {
        /// <summary>How often a broken answer is continued at the byte that it reached; the bucket's client has retried before.</summary>
        private const int MaxTries = 5;

        private int _disposed;

        public Digest Digest => requested;

        public long? Length => length;

        // Until its last byte is sent; a reader that needs checked bytes reads to the end.
        public bool IsVerified => false;

        long IContentSource.Length => length;

        Digest IContentSource.Digest => digest;

        public ValueTask CopyToAsync(IBodyWriter writer, long offset, long? count, CancellationToken cancellationToken)
        {
            var end = offset + (count ?? length - offset);
            return end > offset ? store._copies.CopyToAsync(this, writer, offset, end, cancellationToken) : ValueTask.CompletedTask;
        }

        /// <summary>Passes bytes on as the bucket sends them. An answer that breaks is continued where it broke.</summary>
        public async ValueTask<string?> PassAsync(IBodyWriter writer, long offset, long end, CancellationToken cancellationToken)
        {
            var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(end - offset, 1, BufferSize));
            ObjectBody? body = null;
            var etags = new HashSet<string>(StringComparer.Ordinal);
            try
            {
                for (var failed = 0; offset < end;)
                {
                    int read;
                    try
                    {
                        body ??= await OpenAsync(offset, end, cancellationToken);
                        etags.Add(body.Facts.ETag);
                        var wanted = buffer.AsMemory(0, (int)Math.Min(buffer.Length, end - offset));
                        read = await body.Bytes.ReadAsync(wanted, cancellationToken);
                        if (read == 0) throw new EndOfStreamException($"expected {end} bytes of {digest} from the bucket, got {offset}");
                        failed = 0;
                    }
                    catch (IOException e) when (e is not FileNotFoundException && ++failed < MaxTries)
                    {
                        if (body is not null) await body.DisposeAsync();
                        body = null;
                        continue;
                    }
                    await writer.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                    offset += read;
                }
                return etags.Count == 1 ? etags.Single() : null;
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
                if (body is not null) await body.DisposeAsync();
            }
        }

        /// <summary>Opens a range. Throws <see cref="FileNotFoundException"/> when the object is gone or has another length.</summary>
        public async ValueTask<ObjectBody> OpenAsync(long offset, long end, CancellationToken cancellationToken)
        {
            var key = store.Data(digest);
            var body = await store._bucket.OpenAsync(key, offset, end - offset, cancellationToken)
                ?? throw new FileNotFoundException($"expected {digest} in the bucket, got no object: it was removed", key);
            if (body.Facts.Length == length) return body;
            await body.DisposeAsync();
            throw new FileNotFoundException($"expected {length} bytes of {digest} in the bucket, got {body.Facts.Length}", key);
        }

        public void IsWrong(string etag) => store.IsWrong(digest, etag);

        public ValueTask DisposeAsync() =>
            Interlocked.Exchange(ref _disposed, 1) == 0 ? store.LeaveAsync(digest) : ValueTask.CompletedTask;
    }
}
