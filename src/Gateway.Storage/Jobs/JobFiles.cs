namespace Gateway.Storage;

/// <summary>
/// <c>gateway/jobs/</c>: one small file for each job, so that a job that a stop cut off is known at the next start. The files can be
/// deleted while no gateway runs.
/// </summary>
public sealed class JobFiles
{
    /// <summary>The largest file in bytes that is read: a report has at most some hundred entries. Chosen.</summary>
    private const long MaxBytes = 16 << 20;

    private const string Extension = ".json";

    private readonly string _folder;
    private readonly SmallFiles _files;

    internal JobFiles(string folder, SmallFiles files) => (_folder, _files) = (folder, files);

    /// <summary>
    /// The name of every file without its extension, and its content, in no order. Throws <see cref="UnreadableException"/> when the folder
    /// cannot be read.
    /// </summary>
    public IEnumerable<(string Name, byte[] Content)> Read()
    {
        foreach (var file in Disk.FilesIn(_folder))
        {
            if (file.EndsWith(Extension, StringComparison.Ordinal) && Disk.Bytes(file, MaxBytes) is { } bytes)
                yield return (Path.GetFileNameWithoutExtension(file), bytes);
        }
    }

    /// <summary>Whether a job with this id can be written: letters, digits and hyphens only.</summary>
    public static bool IsId(string id) => id.All(static c => char.IsAsciiLetterOrDigit(c) || c == '-');

    /// <summary>Writes the file of a job whole. Throws <see cref="IOException"/>.</summary>
    /// <param name="id">Letters, digits and hyphens only.</param>
    public void Write(string id, ReadOnlySpan<byte> content) => _files.Write(PathOf(id), content);

    /// <summary>Removes the file of a job; does nothing when there is none.</summary>
    public void Remove(string id)
    {
        if (Disk.HasFile(PathOf(id))) File.Delete(PathOf(id));
    }

    private string PathOf(string id) => IsId(id)
        ? $"{_folder}/{id}{Extension}"
        : throw new ArgumentException($"expected letters, digits and hyphens, got '{id}'", nameof(id));
}
