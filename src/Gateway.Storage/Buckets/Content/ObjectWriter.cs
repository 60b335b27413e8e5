using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>
/// Writes one object of any length in order, with the memory of one part: by one PUT if it is no longer than a part, otherwise by a
/// multipart upload. The object appears whole when it is completed, or not at all.
/// </summary>
/// <param name="hash">Hashes what is written; null for nothing.</param>
internal sealed class ObjectWriter(IBucket bucket, string key, PartBuffers buffers, ContentHash? hash = null)
    : IBodyWriter, IAsyncDisposable
{
    private readonly List<(int Number, string ETag)> _parts = [];
    private PartBuffer? _part;
    private int _filled;
    private string? _id;
    private bool _isCompleted;

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (!bytes.IsEmpty)
        {
            var room = await RoomAsync(cancellationToken);
            var count = Math.Min(room.Length, bytes.Length);
            bytes[..count].CopyTo(room);
            Filled(room[..count]);
            bytes = bytes[count..];
        }
    }

    public async ValueTask SendFileAsync(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken)
    {
        while (count > 0)
        {
            var room = await RoomAsync(cancellationToken);
            var read = await RandomAccess.ReadAsync(file, room[..(int)Math.Min(room.Length, count)], offset, cancellationToken);
            if (read == 0) throw new EndOfStreamException($"a file ended {count} bytes early, at offset {offset}");
            Filled(room[..read]);
            (offset, count) = (offset + read, count - read);
        }
    }

    /// <summary>Adds the bytes of another object. Throws <see cref="FileNotFoundException"/> when there is none.</summary>
    /// <param name="length">Its bytes.</param>
    public async ValueTask CopyAsync(string from, long length, CancellationToken cancellationToken)
    {
        await using var body = await bucket.OpenAsync(from, 0, null, cancellationToken)
            ?? throw new FileNotFoundException($"expected {length} bytes in {from}, got no object", from);
        for (int read; length > 0; length -= read)
        {
            var room = await RoomAsync(cancellationToken);
            read = await body.Bytes.ReadAsync(room[..(int)Math.Min(room.Length, length)], cancellationToken);
            if (read == 0) throw new EndOfStreamException($"expected {length} more bytes in {from}, got its end");
            Filled(room[..read]);
        }
    }

    private void Filled(ReadOnlyMemory<byte> bytes)
    {
        hash?.AppendData(bytes.Span);
        _filled += bytes.Length;
    }

    /// <summary>Makes what was written the object.</summary>
    public async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        if (_id is null)
        {
            var bytes = _part is null ? default : _part.Bytes.AsMemory(0, _filled);
            await bucket.PutAsync(key, bytes, PutCondition.None, cancellationToken);
        }
        else
        {
            if (_filled > 0) await UploadAsync(cancellationToken);
            await bucket.CompleteMultipartAsync(key, _id, _parts, cancellationToken);
        }
        _isCompleted = true;
    }

    private int Next => _parts.Count + 1;

    // Room for at least one more byte; a full part is uploaded only when more bytes follow.
    private async ValueTask<Memory<byte>> RoomAsync(CancellationToken cancellationToken)
    {
        if (_filled == buffers.Bytes) await UploadAsync(cancellationToken);
        _part ??= await buffers.RentAsync(cancellationToken);
        return _part.Bytes.AsMemory(_filled, buffers.Bytes - _filled);
    }

    private async ValueTask UploadAsync(CancellationToken cancellationToken)
    {
        if (Next > IBucket.MaxParts)
            throw new IOException($"expected at most {IBucket.MaxParts} parts of {buffers.Bytes} bytes in {key}, got more");
        _id ??= await bucket.CreateMultipartAsync(key, cancellationToken);
        _parts.Add((Next, await bucket.UploadPartAsync(key, _id, Next, _part!.Bytes.AsMemory(0, _filled), cancellationToken)));
        _filled = 0;
    }

    /// <summary>Drops what was not completed.</summary>
    public async ValueTask DisposeAsync()
    {
        _part?.Dispose();
        _part = null;
        if (_id is null || _isCompleted) return;
        try
        {
            await bucket.AbortMultipartAsync(key, _id, CancellationToken.None);
        }
        catch (IOException)
        {
            // The bucket's rule for incomplete multipart uploads removes the parts.
        }
    }
}
