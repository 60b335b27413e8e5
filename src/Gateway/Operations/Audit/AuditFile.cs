namespace Gateway.Operations;

/// <summary>
/// A file to which lines are only appended, with its predecessors: a full file is renamed to <c>.1</c>, <c>.1</c> to <c>.2</c>, and the
/// last one is removed.
/// </summary>
/// <param name="maxSize">Bytes of one file.</param>
/// <param name="keep">Number of renamed files to keep.</param>
internal sealed class AuditFile(string path, long maxSize, int keep) : IDisposable
{
    private FileStream? _file;

    /// <summary>
    /// Appends one line, completely or not at all. The line is then in the operating system's memory; a power failure can lose the last
    /// seconds.
    /// </summary>
    /// <exception cref="IOException">The line cannot be written.</exception>
    public void Append(ReadOnlySpan<byte> line)
    {
        // Another program may have moved the file away, for instance to rotate logs.
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
        // A line that a crash cut off stays a separate line.
        file.Position = file.Length - 1;
        if (file.ReadByte() != '\n') file.Write("\n"u8);
        return file;
    }

    // Two writers would overwrite each other's lines. FileShare has no effect if file locking is disabled; this lock always has.
    private void Take(FileStream file)
    {
        try
        {
            file.Lock(0, 1);
        }
        catch (IOException e)
        {
            file.Dispose();
            throw new IOException($"{path} is in use by another gateway; stop it, or configure another file", e);
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
