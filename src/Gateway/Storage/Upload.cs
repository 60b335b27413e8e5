using System.Buffers;
using System.Security.Cryptography;
using Gateway.Oci;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>
/// An upload session: survives a restart, belongs to one repository, ends by completion, cancellation or age. One caller at a time holds
/// it.
/// </summary>
internal sealed class Upload : IAsyncDisposable
{
    /// <summary>
    /// One step of reading, hashing and writing: large enough that the calls do not show, small enough for 256 uploads at once.
    /// </summary>
    private const int Step = 256 * 1024;

    /// <summary>
    /// Written back behind the writer in pieces of this size, so that the flush at the end has little left to do
    /// (docs/design/0001-storage.md).
    /// </summary>
    private const long Writeback = 8 << 20;

    private readonly Uploads _uploads;
    private readonly UploadSession _session;
    private readonly SafeFileHandle _file;

    internal Upload(Uploads uploads, UploadSession session, SafeFileHandle file) => (_uploads, _session, _file) = (uploads, session, file);

    /// <summary>128 random bits in hex.</summary>
    public string Id => _session.Id;

    /// <summary>Bytes received.</summary>
    public long Length => _session.Length;

    /// <summary>Who opened it.</summary>
    public string Actor => _session.Note.Actor;

    public DigestAlgorithm Algorithm => _session.Algorithm;

    /// <summary>
    /// Appends what the stream gives until its end. What arrived before a failure of the stream stays received (and <see cref="Length"/>
    /// says so). Throws <see cref="StoreReadOnlyException"/> when the volume is full.
    /// </summary>
    /// <param name="most">Bytes to take at most; false is returned when the stream has more.</param>
    public async ValueTask<bool> AppendAsync(Stream body, CancellationToken cancellationToken, long most = long.MaxValue)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Step);
        try
        {
            while (true)
            {
                var step = (int)Math.Min(Step, most);
                if (step == 0) return await body.ReadAsync(buffer.AsMemory(0, 1), cancellationToken) == 0;
                var count = await body.ReadAtLeastAsync(buffer.AsMemory(0, step), step, throwOnEndOfStream: false, cancellationToken);
                if (count == 0) return true;
                await AppendAsync(buffer.AsMemory(0, count));
                most -= count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async ValueTask AppendAsync(ReadOnlyMemory<byte> bytes)
    {
        _uploads.CheckRoom();
        try
        {
            await RandomAccess.WriteAsync(_file, bytes, _session.Length, CancellationToken.None);
        }
        catch (IOException e)
        {
            // What lies behind the length is not the session's, and is written over by the next try.
            throw new StoreReadOnlyException($"the upload could not be written: {e.Message}", e);
        }
        _session.Hash.AppendData(bytes.Span);
        var before = _session.Length / Writeback;
        _session.Length += bytes.Length;
        if (_session.Length / Writeback > before) Posix.StartWriteback(_file, before * Writeback, Writeback);
    }

    /// <summary>
    /// Flushes the data and says its digest by this algorithm. The session stays open, so that a wrong digest loses nothing; a LinkBlob
    /// that names it ends it, and so does a failed flush.
    /// </summary>
    public async ValueTask<Digest> FinishAsync(DigestAlgorithm algorithm, CancellationToken cancellationToken)
    {
        var hash = algorithm == Algorithm
            ? _session.Hash.GetCurrentHash()
            : await UploadSession.HashFileAsync(_file, _session.Length, algorithm, cancellationToken);
        if (RandomAccess.GetLength(_file) != _session.Length) RandomAccess.SetLength(_file, _session.Length);
        try
        {
            // Off the pool, for a flush may take long.
            await Task.Factory.StartNew(
                () => _uploads.Flush(_file, Id), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }
        catch (FlushFailedException)
        {
            // The kernel takes what it could not write for clean, and so would a second flush: what was received is lost.
            TryCancel();
            throw;
        }
        catch (IOException e) when (e is not StoreReadOnlyException)
        {
            throw new StoreReadOnlyException($"the upload could not be flushed: {e.Message}", e);
        }
        return Digest.FromHash(algorithm, hash);
    }

    private void TryCancel()
    {
        try
        {
            Cancel();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No upload goes on before a restart, whatever is left of this one.
        }
    }

    /// <summary>Ends the session and removes what it received.</summary>
    public void Cancel() => _uploads.End(_session.Id);

    /// <summary>Lets the next caller have the session.</summary>
    public ValueTask DisposeAsync()
    {
        _file.Dispose();
        _session.Turn.Release();
        return ValueTask.CompletedTask;
    }
}
