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
    private SafeFileHandle? _file;

    /// <summary>The offset of its first byte in the upload.</summary>
    public long Start { get; private set; } = start;

    /// <summary>The offset after its last byte.</summary>
    public long End { get; private set; } = start;

    /// <summary>Whether it has no bytes.</summary>
    public bool IsEmpty => Start == End;

    // It blocks, as the platform's asynchronous write does on another thread.
    public void Append(ReadOnlySpan<byte> bytes)
    {
        _file ??= File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        RandomAccess.Write(_file, bytes, End - Start);
        End += bytes.Length;
    }

    /// <summary>Fills a buffer with the bytes from an offset. Throws <see cref="EndOfStreamException"/> when some are missing.</summary>
    public async ValueTask ReadAsync(Memory<byte> buffer, long offset, CancellationToken cancellationToken)
    {
        _file ??= File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        for (var at = offset - Start; !buffer.IsEmpty;)
        {
            var read = await RandomAccess.ReadAsync(_file, buffer, at, cancellationToken);
            if (read == 0) throw new EndOfStreamException($"expected {End - Start} bytes in the local file of the upload, got {at}");
            (at, buffer) = (at + read, buffer[read..]);
        }
    }

    /// <summary>Passes all bytes on.</summary>
    public ValueTask CopyToAsync(IBodyWriter writer, CancellationToken cancellationToken)
    {
        _file ??= File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        return writer.SendFileAsync(_file, 0, End - Start, cancellationToken);
    }

    /// <summary>Drops the bytes before an offset, all of which are in the bucket. Bytes after it must not exist.</summary>
    public void Restart(long offset)
    {
        if (_file is not null) RandomAccess.SetLength(_file, 0);
        Start = End = offset;
    }

    /// <summary>Closes the file between two requests.</summary>
    public void Close()
    {
        _file?.Dispose();
        _file = null;
    }

    /// <summary>Gives the file away.</summary>
    public void Give(Action<string> take)
    {
        Close();
        take(path);
    }

    /// <summary>Removes the file.</summary>
    public void Delete()
    {
        Close();
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next start removes it.
        }
    }
}
