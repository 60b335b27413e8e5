using System.Buffers;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>The bytes of uploads: a <c>.data</c> file for each. Nothing is flushed before an upload is finished.</summary>
internal sealed partial class ContentFiles
{
    /// <summary>
    /// The largest note in bytes: a name of 255 characters, and an actor with a token's longest subject, both escaped. Chosen.
    /// </summary>
    private const int MaxNoteBytes = 64 * 1024;

    public bool SharesUploads => false;

    private string UploadOf(string id) => $"{uploads}/{id}.data";

    private string NoteOf(string id) => $"{uploads}/{id}.json";

    public async ValueTask<IUploadData> CreateUploadAsync(string id, UploadNote note, CancellationToken cancellationToken)
    {
        try
        {
            await File.WriteAllBytesAsync(
                NoteOf(id), JsonSerializer.SerializeToUtf8Bytes(note, UploadNoteJson.Default.UploadNote), cancellationToken);
            return new UploadFile(OpenUpload(id, FileMode.CreateNew), UploadOf(id), 0, uploads, durability);
        }
        catch
        {
            // A client that disconnects leaves no session behind.
            if (Disk.HasFile(NoteOf(id))) File.Delete(NoteOf(id));
            throw;
        }
    }

    public ValueTask<IUploadData?> OpenUploadAsync(string id, long length, CancellationToken cancellationToken)
    {
        if (!Disk.HasFile(UploadOf(id)) || Disk.IsLink(UploadOf(id))) return default;
        try
        {
            var file = OpenUpload(id, FileMode.Open);
            return new(new UploadFile(file, UploadOf(id), length < 0 ? RandomAccess.GetLength(file) : length, uploads, durability));
        }
        catch (FileNotFoundException)
        {
            return default;
        }
    }

    private SafeFileHandle OpenUpload(string id, FileMode mode) => File.OpenHandle(
        UploadOf(id), mode, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, FileOptions.Asynchronous);

    public ValueTask<UploadFacts?> FindUploadAsync(string id, CancellationToken cancellationToken) =>
        new(Disk.Find(UploadOf(id)) is { IsFolder: false } file && !Disk.IsLink(UploadOf(id))
            ? new UploadFacts(file.Length, file.Written)
            : null);

    public ValueTask<UploadNote?> ReadUploadNoteAsync(string id, CancellationToken cancellationToken)
    {
        try
        {
            return new(Disk.Bytes(NoteOf(id), MaxNoteBytes) is { } note
                ? JsonSerializer.Deserialize(note, UploadNoteJson.Default.UploadNote)
                : null);
        }
        catch (JsonException)
        {
            return default;
        }
    }

    public IAsyncEnumerable<string> UploadsAsync(CancellationToken cancellationToken) =>
        Disk.FilesIn(uploads).Select(static file => Path.GetFileNameWithoutExtension(file)).ToAsyncEnumerable();

    public ValueTask<bool> RemoveLeftoversAsync(string id, DateTimeOffset oldest, CancellationToken cancellationToken)
    {
        // An upload that is being begun has its note before its bytes.
        if (Disk.Find(UploadOf(id))?.Written > oldest || Disk.Find(NoteOf(id))?.Written > oldest) return new(false);
        File.Delete(UploadOf(id));
        File.Delete(NoteOf(id));
        return new(true);
    }

    // The commit renames a file.
    public ValueTask PlaceUploadAsync(string id, Digest digest, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public ValueTask CommitUploadAsync(string id, Digest digest, CancellationToken cancellationToken)
    {
        if (Disk.HasFile(UploadOf(id))) Take(UploadOf(id), digest);
        return ValueTask.CompletedTask;
    }

    public ValueTask<bool> RemoveUploadAsync(string id, CancellationToken cancellationToken)
    {
        var isStored = Disk.HasFile(UploadOf(id));
        // A symbolic link goes too, whatever its target.
        File.Delete(UploadOf(id));
        File.Delete(NoteOf(id));
        return new(isStored);
    }

    /// <summary>The growing file of an upload.</summary>
    private sealed class UploadFile(SafeFileHandle file, string path, long length, string folder, Durability durability) : IUploadData
    {
        /// <summary>
        /// Bytes per piece of writeback behind the writer, so that the flush at the end is short (docs/design/0001-storage.md).
        /// </summary>
        private const long Writeback = 8 << 20;

        public long Length { get; private set; } = length;

        // It blocks, as the platform's asynchronous write does on another thread.
        public ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            // Bytes beyond the length do not belong to the upload; the next try overwrites them.
            RandomAccess.Write(file, bytes.Span, Length);
            var before = Length / Writeback;
            Length += bytes.Length;
            if (Length / Writeback > before) Posix.StartWriteback(file, before * Writeback, Writeback);
            return ValueTask.CompletedTask;
        }

        public async ValueTask ReadAsync(long from, Action<ReadOnlyMemory<byte>> use, CancellationToken cancellationToken)
        {
            var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
            try
            {
                for (var at = from; at < Length;)
                {
                    var most = (int)Math.Min(BufferSize, Length - at);
                    var count = await RandomAccess.ReadAsync(file, buffer.AsMemory(0, most), at, cancellationToken);
                    if (count == 0) throw new EndOfStreamException($"expected {Length} bytes in the file of the upload session, got {at}");
                    use(buffer.AsMemory(0, count));
                    at += count;
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }

        // No other process reads the file.
        public ValueTask NoteAsync(Func<Digest> digest, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public Digest? Noted => null;

        // Not on the thread pool, because a flush may take long.
        public ValueTask FlushAsync() => new(Task.Factory.StartNew(
            Flush, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default));

        private void Flush()
        {
            if (RandomAccess.GetLength(file) != Length) RandomAccess.SetLength(file, Length);
            // From now on its age counts: the change that links the bytes may wait for the disk, and the bytes keep this time as content.
            File.SetLastWriteTimeUtc(file, DateTime.UtcNow);
            durability.Flush(file, path);
            durability.FlushFolder(folder);
        }

        public ValueTask DisposeAsync()
        {
            file.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
