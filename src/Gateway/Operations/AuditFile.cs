namespace Gateway.Operations;

/// <summary>
/// A file that lines are only ever added to, and its predecessors: when it is full it becomes <c>.1</c>, that <c>.2</c>, and the last goes.
/// </summary>
/// <param name="maxSize">Bytes of one file.</param>
/// <param name="keep">Files kept beside the one that is written.</param>
internal sealed class AuditFile(string path, long maxSize, int keep) : IDisposable
{
    private FileStream? _file;

    /// <summary>
    /// Adds one line, whole or not at all. It has left this process then; power that fails may still take the last seconds.
    /// </summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Append(ReadOnlySpan<byte> line)
    {
        // Somebody may have taken it away, as programs do that rotate logs.
        if (_file is not null && !File.Exists(path)) Close();
        _file ??= Open();
        if (_file.Length > 0 && _file.Length + line.Length > maxSize)
        {
            Rotate();
            _file = Open();
        }
        var before = _file.Length;
        try
        {
            _file.Position = before;
            _file.Write(line);
        }
        catch (IOException)
        {
            _file.SetLength(before);
            throw;
        }
    }

    public void Dispose() => Close();

    private FileStream Open()
    {
        var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite | FileShare.Delete, BufferSize = 0,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        Take(file);
        if (file.Length == 0) return file;
        // What a crash cut off stays a line of its own.
        file.Position = file.Length - 1;
        if (file.ReadByte() != '\n') file.Write("\n"u8);
        return file;
    }

    // Two writers would each write over the other's lines. With file locking switched off, FileShare keeps nobody out; this does.
    private void Take(FileStream file)
    {
        try
        {
            file.Lock(0, 1);
        }
        catch (IOException e)
        {
            file.Dispose();
            throw new IOException($"{path} is in use by another gateway; stop it, or give this one a file of its own", e);
        }
    }

    private void Rotate()
    {
        Close();
        for (var i = keep; i > 0; i--)
        {
            var from = i == 1 ? path : $"{path}.{i - 1}";
            if (File.Exists(from)) File.Move(from, $"{path}.{i}", overwrite: true);
        }
    }

    private void Close()
    {
        _file?.Dispose();
        _file = null;
    }
}
