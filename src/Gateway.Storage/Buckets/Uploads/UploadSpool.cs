using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>
/// A local file with the latest bytes of an upload: chunks are sent from it, so that an upload that waits for its client needs no memory.
/// It can be lost: what was acknowledged is in the bucket. If it has all bytes at the end, it becomes the local copy of the blob.
/// </summary>
/// <param name="path">Does not exist yet.</param>
/// <param name="start">The offset of its first byte in the upload.</param>
internal sealed class UploadSpool(string path, long start)
{
    private readonly Lock _gate = new();
    private SafeFileHandle? _file;
    private Action<string>? _take;
    private bool _isUsed;
    private bool _isEnded;

    /// <summary>The offset of its first byte in the upload.</summary>
    public long Start { get; private set; } = start;

    /// <summary>The offset after its last byte.</summary>
    public long Reached { get; private set; } = start;

    // It blocks, as the platform's asynchronous write does on another thread.
    public void Append(ReadOnlySpan<byte> bytes)
    {
        _file ??= File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        RandomAccess.Write(_file, bytes, Reached - Start);
        Reached += bytes.Length;
    }

    /// <summary>Fills a buffer with the bytes from an offset. Throws <see cref="EndOfStreamException"/> when some are missing.</summary>
    public async ValueTask ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancellationToken)
    {
        _file ??= File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        for (var at = offset - Start; !buffer.IsEmpty;)
        {
            var read = await RandomAccess.ReadAsync(_file, buffer, at, cancellationToken);
            if (read == 0) throw new EndOfStreamException($"expected {Reached - Start} bytes in the local file of the upload, got {at}");
            (at, buffer) = (at + read, buffer[read..]);
        }
    }

    /// <summary>Passes all bytes on.</summary>
    public ValueTask CopyToAsync(IBodyWriter writer, CancellationToken cancellationToken)
    {
        _file ??= File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        return writer.SendFileAsync(_file, 0, Reached - Start, cancellationToken);
    }

    /// <summary>Drops the bytes before an offset, all of which are in the bucket. Bytes after it must not exist.</summary>
    public void Restart(long offset)
    {
        if (_file is not null) RandomAccess.SetLength(_file, 0);
        Start = Reached = offset;
    }

    private void Close()
    {
        _file?.Dispose();
        _file = null;
    }

    /// <summary>Begins a request. One at a time has the spool.</summary>
    public void Use()
    {
        lock (_gate) _isUsed = true;
    }

    /// <summary>Ends a request: the file is closed, and given away or removed if the session has ended meanwhile.</summary>
    public void Leave()
    {
        Close();
        lock (_gate)
        {
            _isUsed = false;
            if (!_isEnded) return;
        }
        Finish();
    }

    /// <summary>Ends the spool with its session, at once or when the request that uses it has ended.</summary>
    /// <param name="take">Gets the file; null to remove it.</param>
    public void End(Action<string>? take)
    {
        lock (_gate)
        {
            (_isEnded, _take) = (true, take);
            if (_isUsed) return;
        }
        Finish();
    }

    private void Finish()
    {
        if (_take is not null) _take(path);
        else Delete();
    }

    /// <summary>Removes the file.</summary>
    public void Delete()
    {
        Close();
        Disk.TryDelete(path);
    }
}
