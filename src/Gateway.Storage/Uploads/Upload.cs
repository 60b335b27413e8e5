using System.Buffers;
using System.Security.Cryptography;

namespace Gateway.Storage;

/// <summary>
/// An upload session. It survives a restart, belongs to one repository, and ends by completion, cancellation or age. Any number of callers
/// may read its state. One at a time, the caller that asked last, takes it over and writes.
/// </summary>
public sealed class Upload : IAsyncDisposable
{
    /// <summary>
    /// Bytes of one step of reading, hashing and writing: large enough that the calls cost little, small enough for 256 concurrent uploads.
    /// </summary>
    private const int Step = 256 * 1024;

    // Hashing so few bytes takes less time than another thread needs to begin.
    private const int HashedAtOnce = 32 * 1024;

    private readonly Uploads _uploads;
    private readonly long _storedLength;
    private UploadSession _session;
    private IUploadData? _data;
    private CancellationTokenSource? _turn;

    /// <param name="storedLength">Bytes in the store, which count if this process has not received later ones.</param>
    internal Upload(Uploads uploads, UploadSession session, long storedLength) =>
        (_uploads, _session, _storedLength) = (uploads, session, storedLength);

    /// <summary>A session whose turn this caller has.</summary>
    internal Upload(Uploads uploads, HeldSession held) : this(uploads, held.Session, 0) => (_data, _turn) = (held.Data, held.Turn);

    /// <summary>128 random bits in hex.</summary>
    public string Id => _session.Id;

    /// <summary>Bytes received so far, also while another caller writes.</summary>
    public long Length => _turn is null ? _uploads.LengthOf(_session, _storedLength) : _session.Length;

    /// <summary>The account that opened it.</summary>
    public string Actor => _session.Note.Actor;

    /// <summary>The algorithm of the digest that is computed while bytes are received.</summary>
    public DigestAlgorithm Algorithm => _session.Algorithm;

    private IUploadData Data => _data ?? throw new InvalidOperationException("the upload has not been taken over");

    /// <summary>
    /// Takes over the session. An earlier request of the client that still waits for bytes ends with <see
    /// cref="UploadTakenOverException"/>; one that is completing the upload is waited for. False when the session has ended. Throws <see
    /// cref="StoreReadOnlyException"/> when the earlier request does not end in time.
    /// </summary>
    public async ValueTask<bool> TakeOverAsync(CancellationToken cancellationToken)
    {
        if (await _uploads.TakeOverAsync(_session, cancellationToken) is not { } held) return false;
        (_session, _data, _turn) = (held.Session, held.Data, held.Turn);
        return true;
    }

    /// <summary>
    /// Appends the bytes of the stream until its end. Bytes received before a failure of the stream are kept (<see cref="Length"/> includes
    /// them). Throws <see cref="StoreReadOnlyException"/> when the volume is full, and <see cref="UploadTakenOverException"/> when a later
    /// request takes over the session.
    /// </summary>
    /// <param name="most">The largest number of bytes to read; returns false when the stream has more.</param>
    public async ValueTask<bool> AppendAsync(Stream body, CancellationToken cancellationToken, long most = long.MaxValue)
    {
        var before = Length;
        try
        {
            var isWhole = await ReceiveAsync(body, most, cancellationToken);
            await NoteAsync(cancellationToken);
            return isWhole;
        }
        catch
        {
            // A client that broke off may ask where to go on. What the store did not take does not belong to the session.
            if (Length > before && !await TryNoteAsync()) _session.Forget(before);
            throw;
        }
    }

    private async ValueTask NoteAsync(CancellationToken cancellationToken)
    {
        try
        {
            await Data.NoteAsync(() => Digest.FromHash(Algorithm, _session.Hash.GetCurrentHash()), cancellationToken);
        }
        catch (IOException e) when (e is not UploadTakenOverException)
        {
            _uploads.Doubt(e);
            throw new StoreReadOnlyException($"the upload could not be stored: {Disk.WhyOf(e)}", e);
        }
    }

    private async ValueTask<bool> TryNoteAsync()
    {
        try
        {
            await NoteAsync(CancellationToken.None);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private async ValueTask<bool> ReceiveAsync(Stream body, long most, CancellationToken cancellationToken)
    {
        // Two in turn: the bytes of one are hashed on another core while the other is filled and written.
        var (buffer, other) = (ArrayPool<byte>.Shared.Rent(Step), ArrayPool<byte>.Shared.Rent(Step));
        var hashing = Task.CompletedTask;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _turn!.Token);
        try
        {
            while (true)
            {
                var step = (int)Math.Min(Step, most);
                if (step == 0) return await body.ReadAsync(buffer.AsMemory(0, 1), stop.Token) == 0;
                var count = await body.ReadAtLeastAsync(buffer.AsMemory(0, step), step, throwOnEndOfStream: false, stop.Token);
                if (count == 0) return true;
                await _session.CatchUpAsync(Data, cancellationToken);
                await WriteAsync(buffer.AsMemory(0, count));
                await hashing;
                _session.Hashed += count;
                if (count <= HashedAtOnce) _session.Hash.AppendData(buffer, 0, count);
                else hashing = HashAsync(buffer, count);
                (buffer, other) = (other, buffer);
                most -= count;
            }
        }
        catch (OperationCanceledException e) when (_turn.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new UploadTakenOverException(e);
        }
        finally
        {
            await hashing;
            ArrayPool<byte>.Shared.Return(buffer);
            ArrayPool<byte>.Shared.Return(other);
        }
    }

    private Task HashAsync(byte[] bytes, int count) => Task.Run(() => _session.Hash.AppendData(bytes, 0, count));

    // Written before they are hashed: bytes that the store did not take do not belong to the session.
    private async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        _uploads.CheckRoom();
        try
        {
            await Data.AppendAsync(bytes, CancellationToken.None);
        }
        catch (IOException e) when (e is not UploadTakenOverException)
        {
            _uploads.Doubt(e);
            throw new StoreReadOnlyException($"the upload could not be written: {Disk.WhyOf(e)}", e);
        }
        _session.Length += bytes.Length;
    }

    /// <summary>
    /// Flushes the data and returns its digest by this algorithm. The session stays open, so that a wrong digest loses nothing. A LinkBlob
    /// that names the session ends it, and so does a failed flush.
    /// </summary>
    public async ValueTask<Digest> FinishAsync(DigestAlgorithm algorithm, CancellationToken cancellationToken)
    {
        var hash = await HashAsync(algorithm, cancellationToken);
        try
        {
            await Data.FlushAsync();
        }
        catch (FlushFailedException)
        {
            // The kernel marks pages clean that it could not write, and a second flush would succeed: the received bytes are lost.
            await TryCancelAsync();
            throw;
        }
        catch (IOException e) when (e is not StoreReadOnlyException)
        {
            _uploads.Doubt(e);
            throw new StoreReadOnlyException($"the upload could not be flushed: {Disk.WhyOf(e)}", e);
        }
        return hash;
    }

    private async ValueTask<Digest> HashAsync(DigestAlgorithm algorithm, CancellationToken cancellationToken)
    {
        if (algorithm != Algorithm) return Digest.FromHash(algorithm, await UploadSession.HashAsync(Data, algorithm, cancellationToken));
        // Another process received the last bytes, and noted the digest of all.
        if (_session.Hashed != Length && Data.Noted is { } noted) return noted;
        await _session.CatchUpAsync(Data, cancellationToken);
        return Digest.FromHash(algorithm, _session.Hash.GetCurrentHash());
    }

    private async ValueTask TryCancelAsync()
    {
        try
        {
            await CancelAsync();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No upload continues before a restart, whatever remains of this one.
        }
    }

    /// <summary>Ends the session and removes the received bytes.</summary>
    public ValueTask CancelAsync() => _uploads.EndAsync(_session.Id);

    /// <summary>Gives the session's turn to the next caller.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_turn is null) return;
        _turn = null;
        try
        {
            await _data!.DisposeAsync();
        }
        finally
        {
            _session.Turn.Release();
        }
    }
}
