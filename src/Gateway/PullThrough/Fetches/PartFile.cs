using System.Buffers;
using Gateway.Storage;
using Microsoft.Win32.SafeHandles;

namespace Gateway.PullThrough;

/// <summary>
/// The growing file of one fetch. Writers write ranges in any order, no byte twice; the bytes are hashed in order. Readers see the
/// contiguous hashed bytes except the last one, which is released when the digest matched (docs/design/0003-fetch.md). It knows neither an
/// upstream nor a connection.
/// </summary>
internal sealed class PartFile(Digest digest, long? length) : IAsyncDisposable
{
    /// <summary>Bytes hashed at a time from the file: the size of one read of a connection, so that both fit a core's cache.</summary>
    private const int RehashBuffer = 256 * 1024;

    private readonly ContentHash _hash = new(digest.Algorithm);
    private readonly Watermark _readable = new();
    private readonly Lock _hashGate = new();
    private readonly Lock _rangeGate = new();

    // Written behind a gap, in order; two of them neither overlap nor touch.
    private readonly List<(long Start, long End)> _behindGap = [];
    private FetchFile? _file;
    private long _length = length ?? -1;
    private long _written;
    private long _position;
    private int _hashing;

    /// <summary>Called on a writer's thread after <see cref="Position"/> has moved.</summary>
    public event Action? Advanced;

    /// <summary>What the content must have.</summary>
    public Digest Digest => digest;

    /// <summary>Bytes of the content, by its manifest or by an answer of an upstream; null while unknown.</summary>
    public long? Length
    {
        get => Volatile.Read(ref _length) is var bytes and >= 0 ? bytes : null;
        set => Volatile.Write(ref _length, value ?? -1);
    }

    /// <summary>Contiguous bytes that are written and hashed.</summary>
    public long Position => Volatile.Read(ref _position);

    /// <summary>One past the last byte of the contiguous run that is written; it is at least <see cref="Position"/>.</summary>
    public long Written => Volatile.Read(ref _written);

    /// <summary>Bytes that readers may read now.</summary>
    public long Readable => _readable.Value;

    /// <summary>Whether the digest matched.</summary>
    public bool IsVerified => _readable.IsComplete;

    /// <summary>The file, for reads below <see cref="Readable"/>; only after <see cref="TryOpen"/>.</summary>
    public SafeFileHandle Handle => _file!.Handle;

    /// <summary>Bytes that an earlier fetch left in the file. They are hashed by <see cref="HashWrittenAsync"/>.</summary>
    public long EarlierLength => _file!.EarlierLength;

    /// <summary>Waits until a byte at or after this offset is readable; see <see cref="Watermark.WaitBeyondAsync"/>.</summary>
    public ValueTask<long> WaitBeyondAsync(long offset, CancellationToken cancellationToken) =>
        _readable.WaitBeyondAsync(offset, cancellationToken);

    /// <summary>Opens the file, new or left behind; false when the volume has no room for it.</summary>
    public bool TryOpen(FetchFiles files)
    {
        if ((_file = files.Open(digest, Length)) is null) return false;
        Volatile.Write(ref _written, _file.EarlierLength);
        return true;
    }

    /// <summary>
    /// Reserves room for the whole content if its length is known now; false when the volume has too little. Returns before the volume has
    /// reserved it: a write fails if it could not.
    /// </summary>
    public bool TryReserve() => Length is not { } all || _file!.TryReserve(all);

    /// <summary>
    /// From now on writers may leave gaps: a stop of the gateway must not leave a part that looks whole. Throws <see cref="IOException"/>.
    /// </summary>
    public void AllowGaps() => _file!.BeginAhead(Position);

    /// <summary>Gives up what is not contiguous; no writer is at work any more.</summary>
    public void CloseGaps()
    {
        lock (_rangeGate)
        {
            _behindGap.Clear();
            Volatile.Write(ref _written, Position);
        }
        _file!.EndAhead(Position);
    }

    /// <summary>
    /// Writes bytes, and hashes what is contiguous unless another writer is hashing. Throws <see cref="FetchException"/> when the volume
    /// does not take them.
    /// </summary>
    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        Write(offset, bytes);
        return HashAsync(offset, bytes, cancellationToken);
    }

    /// <summary>
    /// Writes bytes. <see cref="HashAsync"/> must follow for the same bytes; it may run beside the next write. Throws
    /// <see cref="FetchException"/> when the volume does not take them.
    /// </summary>
    public void Write(long offset, ReadOnlyMemory<byte> bytes)
    {
        if (bytes.IsEmpty) return;
        try
        {
            _file!.Write(offset, bytes.Span);
        }
        catch (IOException e)
        {
            throw new FetchException(FetchFailure.NoRoom, $"the volume took no more of {digest}: {e.Message}", e);
        }
        NoteWritten(offset, offset + bytes.Length);
    }

    /// <summary>Hashes what is contiguous and not hashed yet, unless a writer is hashing it.</summary>
    public ValueTask HashWrittenAsync(CancellationToken cancellationToken) => HashAsync(-1, default, cancellationToken);

    /// <summary>The digest of the bytes up to <see cref="Position"/>.</summary>
    public Digest DigestSoFar()
    {
        lock (_hashGate) return Digest.FromHash(digest.Algorithm, _hash.GetCurrentHash());
    }

    /// <summary>A copy of the hash of the bytes before the position that is returned.</summary>
    public (ContentHash Hash, long Position) CopyHash()
    {
        lock (_hashGate) return (_hash.Clone(), _position);
    }

    /// <summary>The digest matched: releases the last byte.</summary>
    public void Complete()
    {
        Length = Position;
        _readable.Complete(Position);
    }

    /// <summary>Ends every wait for more bytes with this exception.</summary>
    public void Fail(Exception failure) => _readable.Fail(failure);

    /// <summary>Flushes the file and moves it into the cached root. Throws <see cref="IOException"/>.</summary>
    public ValueTask PublishAsync(CancellationToken cancellationToken) => _file!.PublishAsync(Position, cancellationToken);

    /// <summary>Removes the file; readers that hold the handle can still read.</summary>
    public void Discard() => _file?.Discard();

    /// <summary>Closes the file. A file that was neither published nor discarded stays for the next fetch.</summary>
    public ValueTask DisposeAsync()
    {
        _hash.Dispose();
        return _file?.DisposeAsync() ?? ValueTask.CompletedTask;
    }

    private void NoteWritten(long start, long end)
    {
        lock (_rangeGate)
        {
            if (start > _written)
            {
                AddBehindGap(start, end);
                return;
            }
            while (_behindGap is [var next, ..] && next.Start <= end)
            {
                end = Math.Max(end, next.End);
                _behindGap.RemoveAt(0);
            }
            Volatile.Write(ref _written, Math.Max(_written, end));
        }
    }

    private void AddBehindGap(long start, long end)
    {
        var at = _behindGap.FindLastIndex(range => range.Start <= start);
        if (at >= 0 && _behindGap[at].End == start) _behindGap[at] = (_behindGap[at].Start, end);
        else _behindGap.Insert(++at, (start, end));
        if (at + 1 < _behindGap.Count && _behindGap[at + 1].Start == end)
        {
            _behindGap[at] = (_behindGap[at].Start, _behindGap[at + 1].End);
            _behindGap.RemoveAt(at + 1);
        }
    }

    /// <summary>
    /// Hashes what is contiguous: these bytes, which were written at this offset, from memory, and others from the file. One writer hashes
    /// at a time. A writer that finds another one hashing leaves its bytes to it: the other looks once more after it has ended.
    /// </summary>
    public async ValueTask HashAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (Written > Position)
        {
            if (Interlocked.Exchange(ref _hashing, 1) == 1) return;
            try
            {
                if (Position == offset && !bytes.IsEmpty) Hash(bytes.Span);
                else await HashFileAsync(Written, cancellationToken);
                _file!.NoteContiguous(Position);
            }
            finally
            {
                Volatile.Write(ref _hashing, 0);
            }
            Advanced?.Invoke();
        }
    }

    // What was just written is read back from the page cache.
    private async ValueTask HashFileAsync(long end, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(RehashBuffer);
        try
        {
            while (Position < end)
            {
                var wanted = buffer.AsMemory(0, (int)Math.Min(RehashBuffer, end - Position));
                var read = await RandomAccess.ReadAsync(Handle, wanted, Position, cancellationToken);
                if (read == 0) throw new IOException($"expected {end} bytes in the part of {digest}, got {Position}: the file was cut");
                Hash(wanted.Span[..read]);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void Hash(ReadOnlySpan<byte> bytes)
    {
        long position;
        lock (_hashGate)
        {
            _hash.AppendData(bytes);
            position = _position + bytes.Length;
            Volatile.Write(ref _position, position);
        }
        // While the length is unknown, any byte can be the last one.
        _readable.MoveTo(Math.Min(position, (Length ?? position) - 1));
    }
}
