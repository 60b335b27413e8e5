using System.Buffers;

namespace Gateway.Storage;

/// <summary>
/// The bytes of one upload, while one caller appends. They go to the local disk, and from there to the bucket in chunks, some while more
/// arrive. The record names them at the latest when <see cref="NoteAsync"/> returns, before the client is answered.
/// </summary>
internal sealed class BucketUpload : IUploadData
{
    /// <summary>
    /// Chunks of one upload on their way at a time. Chosen: one is sent while the next one is read; two smooth a slow answer.
    /// </summary>
    private const int MaxSending = 2;

    /// <summary>
    /// Chunks after which the record is written although more bytes follow: what a client that broke off in the middle can keep. Chosen: a
    /// small PUT for each 64 MiB.
    /// </summary>
    private const int NoteEvery = 8;

    /// <summary>
    /// Bytes that the record has itself. Chosen: most configs, and many layers of signatures, need then no chunk.
    /// </summary>
    private const int MaxTail = 64 * 1024;

    private readonly UploadObjects _objects;
    private readonly string _id;
    private readonly List<UploadChunk> _chunks;
    private readonly List<Task> _sending = [];
    private readonly List<UploadChunk> _replaced = [];
    private HeldRecord _held;
    private UploadSpool? _spool;
    private long _sent;
    private int _unnoted;
    private bool _isBroken;

    // The last chunk may be too short to be followed by another one.
    private bool _isNoted;

    public BucketUpload(UploadObjects objects, string id, HeldRecord held)
    {
        (_objects, _id, _held) = (objects, id, held);
        _chunks = [.. held.Record.Chunks];
        Length = held.Record.Length;
        _sent = Length;
    }

    public long Length { get; private set; }

    public Digest? Noted =>
        Length == _held.Record.Length && Digest.TryParse(_held.Record.Digest ?? "", out var digest) ? digest : null;

    public async ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (_isBroken) throw new IOException("an earlier piece of the upload could not be stored");
        try
        {
            if (_spool is null || _isNoted) await BeginAsync(cancellationToken);
            while (!bytes.IsEmpty)
            {
                var count = (int)Math.Min(bytes.Length, _sent + _objects.Buffers.Bytes - Length);
                _spool!.Append(bytes.Span[..count]);
                Length += count;
                bytes = bytes[count..];
                if (Length - _sent == _objects.Buffers.Bytes) await SendAsync(cancellationToken);
            }
        }
        catch
        {
            _isBroken = true;
            throw;
        }
    }

    /// <summary>Takes the session from another process, and the last chunk back if it is too short to be followed by one.</summary>
    private async ValueTask BeginAsync(CancellationToken cancellationToken)
    {
        if (_held.Record.Holder != _objects.Holder)
            _held = await _objects.ReplaceAsync(_id, _held.Record with { Holder = _objects.Holder }, _held.ETag, cancellationToken);
        var tail = _held.Record.Tail.Length > 0 ? _held.Record.Tail.Length
            : _chunks is [.., var last] && last.Length < _objects.Bucket.MinPart ? last.Length
            : 0;
        var spool = _objects.TakeSpool(_id, Length);
        (_spool, _isNoted) = (spool, false);
        if (Length - tail < spool.Start)
        {
            spool.Restart(Length - tail);
            if (_held.Record.Tail is { Length: > 0 } few) spool.Append(few);
            else await ReadChunkAsync(_chunks[^1], bytes => spool.Append(bytes.Span), cancellationToken);
        }
        _sent = Length - tail;
        if (tail == 0 || _held.Record.Tail.Length > 0) return;
        _replaced.Add(_chunks[^1]);
        _chunks.RemoveAt(_chunks.Count - 1);
    }

    // The buffer is rented before the chunk is read from the disk: a slow bucket slows the client down, and needs no memory.
    private async ValueTask SendAsync(CancellationToken cancellationToken)
    {
        while (_sending.Count >= MaxSending)
        {
            var first = _sending[0];
            _sending.RemoveAt(0);
            await first;
        }
        var chunk = new UploadChunk($"{_held.Record.Nonce}-{_chunks.Count}-{UploadObjects.NewName()}", Length - _sent);
        if (_chunks.Count >= IBucket.MaxParts)
            throw new IOException($"expected a blob of at most {IBucket.MaxParts} chunks of {_objects.Buffers.Bytes} bytes, got more");
        var buffer = await _objects.Buffers.RentAsync(cancellationToken);
        try
        {
            await _spool!.ReadAsync(buffer.Bytes.AsMemory(0, (int)chunk.Length), _sent, cancellationToken);
            _sending.Add(SendAsync(chunk, buffer));
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
        _chunks.Add(chunk);
        _sent = Length;
        if (++_unnoted % NoteEvery != 0) return;
        await WriteAsync(null, cancellationToken);
        // A file that cannot become a local copy is only as long as what was not sent.
        if (_spool.Start > 0 || !_objects.CanKeep(Length)) _spool.Restart(Length);
    }

    private async Task SendAsync(UploadChunk chunk, PartBuffer buffer)
    {
        using (buffer)
        {
            await _objects.Bucket.PutAsync(
                _objects.ChunkOf(_id, chunk), buffer.Bytes.AsMemory(0, (int)chunk.Length), PutCondition.None, CancellationToken.None);
        }
    }

    public async ValueTask NoteAsync(Func<Digest> digest, CancellationToken cancellationToken)
    {
        if (_isBroken) throw new IOException("an earlier piece of the upload could not be stored");
        if (_spool is not null && (Length != _held.Record.Length || Noted is null)) await StoreAsync(digest(), cancellationToken);
    }

    private async ValueTask StoreAsync(Digest? digest, CancellationToken cancellationToken)
    {
        try
        {
            if (Length - _sent > MaxTail) await SendAsync(cancellationToken);
            await WriteAsync(digest, cancellationToken);
            _isNoted = true;
        }
        catch
        {
            _isBroken = true;
            throw;
        }
    }

    // What is not sent is the tail.
    private async ValueTask WriteAsync(Digest? digest, CancellationToken cancellationToken)
    {
        await Task.WhenAll(_sending);
        _sending.Clear();
        var tail = new byte[Length - _sent];
        if (tail.Length > 0) await _spool!.ReadAsync(tail, _sent, cancellationToken);
        var record = _held.Record with { Chunks = [.. _chunks], Tail = tail, Digest = digest?.ToString() };
        _held = await _objects.ReplaceAsync(_id, record, _held.ETag, cancellationToken);
        UploadChunk[] replaced = [.. _replaced];
        _replaced.Clear();
        await _objects.DeleteAsync(_id, replaced, cancellationToken);
    }

    public async ValueTask ReadAsync(long from, Action<ReadOnlyMemory<byte>> use, CancellationToken cancellationToken)
    {
        await FlushAsync();
        long at = 0;
        foreach (var chunk in _chunks)
        {
            var skip = Math.Clamp(from - at, 0, chunk.Length);
            at += chunk.Length;
            if (skip < chunk.Length) await ReadChunkAsync(chunk, use, cancellationToken, skip);
        }
        var tail = _held.Record.Tail;
        use(tail.AsMemory((int)Math.Clamp(from - at, 0, tail.Length)));
    }

    private async ValueTask ReadChunkAsync(
        UploadChunk chunk, Action<ReadOnlyMemory<byte>> use, CancellationToken cancellationToken, long from = 0)
    {
        var key = _objects.ChunkOf(_id, chunk);
        await using var body = await _objects.Bucket.OpenAsync(key, from, null, cancellationToken)
            ?? throw new EndOfStreamException($"expected {chunk.Length} bytes in a chunk of the upload session, got no object");
        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(256 * 1024, chunk.Length));
        var at = from;
        try
        {
            for (int read; (read = await body.Bytes.ReadAsync(buffer, cancellationToken)) > 0; at += read) use(buffer.AsMemory(0, read));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        if (at != chunk.Length) throw new EndOfStreamException($"expected {chunk.Length} bytes in a chunk of the upload session, got {at}");
    }

    public async ValueTask FlushAsync()
    {
        if (_isBroken) throw new IOException("an earlier piece of the upload could not be stored");
        if (Length != _held.Record.Length) await StoreAsync(null, CancellationToken.None);
    }

    // A caller that must know whether its bytes are stored has noted them.
    private async ValueTask TryStoreAsync()
    {
        try
        {
            await StoreAsync(null, CancellationToken.None);
        }
        catch (IOException)
        {
            // The upload ends with what was noted before.
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_spool is null) return;
        if (!_isBroken && _held.Record.Length != Length) await TryStoreAsync();
        await Task.WhenAll(_sending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // Bytes that the record does not name do not belong to the upload.
        if (_isBroken) _objects.DropSpool(_id, _spool);
        else _spool.Leave();
        _spool = null;
    }
}
