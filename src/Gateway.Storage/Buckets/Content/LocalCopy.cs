using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>
/// One copy that grows on the local disk. It lives until it has ended and its last reader has left. Readers see the bytes that are written
/// and hashed, and the last byte when the digest matched.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The last holder disposes of what it owns.")]
internal sealed class LocalCopy(IContentSource source, FetchFiles files, ILogger logger)
{
    /// <summary>
    /// Bytes. Content of at most this size is checked before its first byte is sent, as fetched content is (docs/design/0003-fetch.md, "The
    /// watermark").
    /// </summary>
    private const long VerifiedFirst = 4 << 20;

    // As for fetches.
    private const int BufferSize = 256 * 1024;

    /// <summary>
    /// How long a copy waits for a place; then its readers read from the bucket. Chosen: clients notice no shorter wait, and copies of
    /// large layers can keep all places for minutes.
    /// </summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(2);

    /// <summary>How often a broken answer is continued without a byte in between; the bucket's client has retried before.</summary>
    private const int MaxTries = 5;

    private readonly Watermark _readable = new();
    private readonly ContentHash _hash = new(source.Digest.Algorithm);
    private readonly Lock _gate = new();
    private FetchFile? _file;
    private string? _etag;
    private bool _isOfSeveral;
    private long _position;
    private int _holders = 1; // the copy itself
    private bool _hasFailed;

    /// <summary>What is copied.</summary>
    public Digest Digest => source.Digest;

    /// <summary>Bytes that are written and hashed.</summary>
    public long Position => Volatile.Read(ref _position);

    /// <summary>Whether a reader may get bytes before the digest of all of them is known.</summary>
    public bool IsReadEarly => source.Length > VerifiedFirst;

    /// <summary>The file, for bytes that <see cref="TryWaitBeyondAsync"/> has released.</summary>
    public SafeFileHandle Handle => _file!.Handle;

    /// <summary>Adds a reader; false when the copy has failed, or has ended and has no reader.</summary>
    public bool TryJoin()
    {
        lock (_gate)
        {
            if (_holders == 0 || _hasFailed) return false;
            _holders++;
            return true;
        }
    }

    /// <summary>
    /// Removes a reader; the copy goes on, because the next reader needs it. Called once more after <see cref="RunAsync"/>: the copy holds
    /// itself until then.
    /// </summary>
    public void Leave()
    {
        lock (_gate)
        {
            if (--_holders > 0) return;
        }
        _hash.Dispose();
        _file?.DisposeAsync().Wait();
    }

    /// <summary>
    /// Waits until the byte at an offset may be read. Returns one past the last byte that may be read; null when the copy has failed and
    /// the reader must read from the bucket. Throws <see cref="InvalidContentException"/> when the bytes do not have the digest.
    /// </summary>
    public async ValueTask<long?> TryWaitBeyondAsync(long offset, CancellationToken cancellationToken)
    {
        try
        {
            return await _readable.WaitBeyondAsync(offset, cancellationToken);
        }
        catch (CopyFailedException)
        {
            return null;
        }
    }

    /// <summary>Runs the copy to its end; never throws. Called once.</summary>
    /// <param name="places">Bounds the copies under way.</param>
    public async Task RunAsync(SemaphoreSlim places, CancellationToken cancellationToken)
    {
        if (await CopyAsync(places, cancellationToken)) await PublishAsync();
    }

    private async Task<bool> CopyAsync(SemaphoreSlim places, CancellationToken cancellationToken)
    {
        var hasPlace = false;
        try
        {
            hasPlace = await places.WaitAsync(LongestWait, cancellationToken);
            if (!hasPlace) throw new CopyFailedException("all places for copies are in use", isForRoom: true);
            Open();
            await HashEarlierAsync(cancellationToken);
            await DownloadAsync(cancellationToken);
            if (Digest.FromHash(Digest.Algorithm, _hash.GetCurrentHash()) is var found && found != Digest)
                throw new InvalidContentException($"expected {Digest} in the bucket, got {source.Length} bytes that are {found}");
            _readable.Complete(source.Length);
            return true;
        }
        catch (Exception e)
        {
            Fail(e);
            return false;
        }
        finally
        {
            if (hasPlace) places.Release();
        }
    }

    private void Open()
    {
        _file = files.OpenBeside(Digest, source.Length)
            ?? throw new CopyFailedException("there is no room, or a fetch of the digest is under way", isForRoom: true);
        if (!_file.TryReserve(source.Length)) throw new CopyFailedException("there is no room", isForRoom: true);
    }

    private async Task HashEarlierAsync(CancellationToken cancellationToken)
    {
        var earlier = Math.Min(_file!.EarlierLength, source.Length);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            while (_position < earlier)
            {
                var most = (int)Math.Min(BufferSize, earlier - _position);
                var read = await RandomAccess.ReadAsync(Handle, buffer.AsMemory(0, most), _position, cancellationToken);
                if (read == 0) return;
                Advance(buffer, read);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task DownloadAsync(CancellationToken cancellationToken)
    {
        for (var failed = 0; _position < source.Length;)
        {
            var from = _position;
            try
            {
                await using var body = await source.OpenAsync(_position, source.Length, cancellationToken);
                _isOfSeveral |= _position > 0 && _etag != body.Facts.ETag;
                _etag = body.Facts.ETag;
                await WriteAsync(body.Bytes, cancellationToken);
            }
            catch (IOException e) when (e is not (FileNotFoundException or CopyFailedException))
            {
                failed = _position > from ? 1 : failed + 1;
                if (failed >= MaxTries) throw;
            }
        }
    }

    // Two buffers in turn: one is written and hashed while the other is filled.
    private async Task WriteAsync(Stream body, CancellationToken cancellationToken)
    {
        var (buffer, other) = (ArrayPool<byte>.Shared.Rent(BufferSize), ArrayPool<byte>.Shared.Rent(BufferSize));
        var writing = Task.CompletedTask;
        try
        {
            for (var at = _position; at < source.Length;)
            {
                var read = await body.ReadAsync(buffer.AsMemory(0, (int)Math.Min(BufferSize, source.Length - at)), cancellationToken);
                if (read == 0) throw new EndOfStreamException($"expected {source.Length} bytes of {Digest} from the bucket, got {at}");
                await writing;
                var (bytes, offset) = (buffer, at);
                writing = Task.Run(() => Write(bytes, read, offset), CancellationToken.None);
                at += read;
                (buffer, other) = (other, buffer);
            }
        }
        finally
        {
            try
            {
                await writing;
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
                ArrayPool<byte>.Shared.Return(other);
            }
        }
    }

    private void Write(byte[] bytes, int count, long offset)
    {
        try
        {
            _file!.Write(offset, bytes.AsSpan(0, count));
        }
        catch (IOException e)
        {
            // A fault of the local disk, which a retry of the bucket does not cure.
            throw new CopyFailedException(Disk.WhyOf(e), e);
        }
        Advance(bytes, count);
    }

    private void Advance(byte[] bytes, int count)
    {
        _hash.AppendData(bytes, 0, count);
        Volatile.Write(ref _position, _position + count);
        if (IsReadEarly) _readable.MoveTo(Math.Min(_position, source.Length - 1));
    }

    private void Fail(Exception e)
    {
        // A part of a copy that was stopped is continued later. The part is removed first: the next copy opens the same path.
        if (e is InvalidContentException or CopyFailedException) _file?.Discard();
        lock (_gate) _hasFailed = true;
        if (e is not OperationCanceledException)
        {
            BucketMetrics.NotCopied(
                e is InvalidContentException ? "damaged" : e is CopyFailedException { IsForRoom: true } ? "skipped" : "failed");
        }
        if (e is InvalidContentException && !_isOfSeveral && _etag is { } etag)
        {
            source.IsWrong(etag);
            Log.BucketDamaged(logger, Digest, source.Length);
        }
        else if (e is not (OperationCanceledException or CopyFailedException { IsForRoom: true })) Log.NotCopied(logger, e, Digest);
        _readable.Fail(e is InvalidContentException ? e : new CopyFailedException(e.Message, e));
    }

    // If it cannot be published, the next reader copies again; current readers are unaffected.
    private async Task PublishAsync()
    {
        try
        {
            await _file!.PublishAsync(source.Length, CancellationToken.None);
            BucketMetrics.Copied(source.Length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            BucketMetrics.NotCopied("failed");
            Log.NotCopied(logger, e, Digest);
            _file!.Discard();
        }
    }

    /// <summary>The copy cannot go on, and its readers can.</summary>
    /// <param name="isForRoom">Whether the disk has no room for it, or there are too many copies, which is no fault.</param>
    private sealed class CopyFailedException(string why, Exception? inner = null, bool isForRoom = false) : IOException(why, inner)
    {
        public bool IsForRoom => isForRoom;
    }
}

/// <summary>Stored bytes have another digest. The message is one line.</summary>
internal sealed class InvalidContentException(string what) : IOException(what);
