using System.Buffers;
using System.Runtime.InteropServices;
using FASTER.core;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage;

/// <summary>
/// The files of one <see cref="FasterStore{TKey, TValue}"/>. FASTER trusts what it reads (a flipped bit in its hash table is an address in
/// memory), so each block has a checksum. FASTER never gets an error, because it would wait forever for a failed write. A block that cannot
/// be read becomes zeros, which are no record, and <see cref="Failure"/> has the reason.
/// </summary>
internal sealed class FasterFiles(string folder) : INamedDeviceFactory
{
    private volatile Exception? _failure;

    /// <summary>The first failure of a file; null when there is none. After a failure nothing in these files should be used.</summary>
    public Exception? Failure => _failure;

    public void Fail(Exception failure) => Interlocked.CompareExchange(ref _failure, failure, null);

    public void Initialize(string baseName) => Directory.CreateDirectory(Path.Combine(folder, baseName));

    public IDevice Get(FileDescriptor fileInfo) => new CheckedDevice(PathOf(fileInfo), mayEnd: false, this);

    /// <summary>
    /// A file that FASTER reads beyond its end: the hash table of a checkpoint, whose length <see cref="FasterCheckpoints"/> checks.
    /// </summary>
    public IDevice GetOpenEnded(FileDescriptor file) => new CheckedDevice(PathOf(file), mayEnd: true, this);

    /// <summary>Bytes of a file that has one segment; 0 when it does not exist.</summary>
    public long LengthOf(FileDescriptor file) => SegmentsOf(PathOf(file)).Sum(each => Disk.LengthOf(each) ?? 0);

    public void Delete(FileDescriptor fileInfo)
    {
        var path = PathOf(fileInfo);
        if (Disk.HasFolder(path)) Directory.Delete(path, recursive: true);
        foreach (var segment in SegmentsOf(path)) File.Delete(segment);
    }

    public IEnumerable<FileDescriptor> ListContents(string path)
    {
        var listed = new DirectoryInfo(Path.Combine(folder, path));
        if (!Disk.HasFolder(listed.FullName)) return [];
        // FASTER recovers the first usable checkpoint of the list: the newest.
        return listed.EnumerateFileSystemInfos().OrderByDescending(each => each.LastWriteTimeUtc)
            .Select(each => each is DirectoryInfo ? new FileDescriptor(each.Name, "") : new FileDescriptor("", each.Name));
    }

    private string PathOf(FileDescriptor file) => Path.Combine(folder, file.directoryName ?? "", file.fileName ?? "");

    private static string[] SegmentsOf(string path) =>
        Path.GetDirectoryName(path) is { } parent && Disk.HasFolder(parent)
            ? Directory.GetFiles(parent, Path.GetFileName(path) + ".*")
            : [];

    /// <summary>
    /// One log or checkpoint file. A block on disk is its 4096 bytes followed by 8 bytes of checksum. The calling thread reads and writes
    /// through the page cache: a read costs a few microseconds, and no caller waits for a free pool thread.
    /// </summary>
    private sealed class CheckedDevice(string path, bool mayEnd, FasterFiles files) : StorageDeviceBase(path, BlockSize, -1)
    {
        // The page of the kernel's cache, and the sector of current disks.
        private const int BlockSize = 4096;
        private const int Stride = BlockSize + sizeof(ulong);

        // Blocks per system call when many are read or written: 256 KiB.
        private const int BlocksAtOnce = 64;

        // The upper half of each checksum, so that a block of zeros is not valid. Its last byte is the format: raise it when the layout of
        // a record changes, and old files are set aside.
        private const ulong Mark = 0x47_57_49_02_00000000;

        // Records with the same hash are chained, and reads follow a chain recursively. 16 MiB of hash table keep chains shorter than this
        // limit for up to some 100 million records.
        private const int LongestChain = 64;

        [ThreadStatic]
        private static int _depth;

        private readonly Dictionary<int, SafeFileHandle> _segments = [];
        private readonly Lock _gate = new();
        private int _removedBelow;

        public override void WriteAsync(
            IntPtr sourceAddress, int segmentId, ulong destinationAddress, uint numBytesToWrite, DeviceIOCompletionCallback callback,
            object context)
        {
            try
            {
                Write(View(sourceAddress, numBytesToWrite), segmentId, (long)destinationAddress / BlockSize);
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                files.Fail(failure);
            }
            callback(0, numBytesToWrite, context);
        }

        public override void ReadAsync(
            int segmentId, ulong sourceAddress, IntPtr destinationAddress, uint readLength, DeviceIOCompletionCallback callback,
            object context)
        {
            var wanted = View(destinationAddress, readLength);
            _depth++;
            try
            {
                if (_depth > LongestChain)
                    throw new InvalidDataException($"records in {FileName} are chained more than {LongestChain} deep");
                var read = Read(wanted, segmentId, (long)sourceAddress / BlockSize);
                if (read < wanted.Length && !mayEnd) throw new InvalidDataException($"{PathOf(segmentId)} ends too early");
                wanted[read..].Clear();
            }
            catch (Exception) when (segmentId < Volatile.Read(ref _removedBelow))
            {
                // A listing was still reading this segment. Records in use were copied to the end of the log before.
                wanted.Clear();
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or InvalidDataException)
            {
                files.Fail(failure);
                wanted.Clear();
            }
            try
            {
                callback(0, readLength, context);
            }
            finally
            {
                _depth--;
            }
        }

        public override void RemoveSegmentAsync(int segment, AsyncCallback callback, IAsyncResult result)
        {
            lock (_gate)
            {
                _removedBelow = Math.Max(_removedBelow, segment + 1);
                if (_segments.Remove(segment, out var handle)) handle.Dispose();
                File.Delete(PathOf(segment));
            }
            callback(result);
        }

        public override long GetFileSize(int segment) => RandomAccess.GetLength(Open(segment)) / Stride * BlockSize;

        public override void Dispose()
        {
            lock (_gate)
            {
                foreach (var handle in _segments.Values) handle.Dispose();
                _segments.Clear();
            }
        }

        private void Write(ReadOnlySpan<byte> bytes, int segment, long block)
        {
            var handle = Open(segment);
            var buffer = ArrayPool<byte>.Shared.Rent(BlocksAtOnce * Stride);
            while (!bytes.IsEmpty)
            {
                var count = Math.Min(BlocksAtOnce, bytes.Length / BlockSize);
                for (var i = 0; i < count; i++)
                {
                    var stored = buffer.AsSpan(i * Stride, Stride);
                    bytes.Slice(i * BlockSize, BlockSize).CopyTo(stored);
                    MemoryMarshal.Write(stored[BlockSize..], CheckOf(stored[..BlockSize], segment, block + i));
                }
                RandomAccess.Write(handle, buffer.AsSpan(0, count * Stride), block * Stride);
                bytes = bytes[(count * BlockSize)..];
                block += count;
            }
            ArrayPool<byte>.Shared.Return(buffer);
        }

        /// <summary>Reads blocks until the requested end or the end of the file. Returns the number of bytes read.</summary>
        private int Read(Span<byte> wanted, int segment, long block)
        {
            var handle = Open(segment);
            var buffer = ArrayPool<byte>.Shared.Rent(Math.Min(BlocksAtOnce, wanted.Length / BlockSize) * Stride);
            var (done, complete) = (0, true);
            while (done < wanted.Length && complete)
            {
                var asked = Math.Min(BlocksAtOnce, (wanted.Length - done) / BlockSize);
                var read = RandomAccess.Read(handle, buffer.AsSpan(0, asked * Stride), block * Stride) / Stride;
                for (var i = 0; i < read; i++, block++, done += BlockSize)
                    Take(buffer.AsSpan(i * Stride, Stride), wanted[done..], segment, block);
                complete = read == asked;
            }
            ArrayPool<byte>.Shared.Return(buffer);
            return done;
        }

        private void Take(ReadOnlySpan<byte> stored, Span<byte> wanted, int segment, long block)
        {
            if (MemoryMarshal.Read<ulong>(stored[BlockSize..]) != CheckOf(stored[..BlockSize], segment, block))
                throw new InvalidDataException($"block {block} of {PathOf(segment)} does not match its checksum");
            stored[..BlockSize].CopyTo(wanted);
        }

        private static ulong CheckOf(ReadOnlySpan<byte> block, int segment, long number) =>
            Mark | Crc32C.RawOf(block, ((ulong)segment << 32) | (ulong)number);

        private static unsafe Span<byte> View(IntPtr address, uint length) => new((void*)address, checked((int)length));

        private string PathOf(int segment) => OmitSegmentIdFromFileName ? FileName : $"{FileName}.{segment}";

        private SafeFileHandle Open(int segment)
        {
            lock (_gate)
            {
                if (_segments.TryGetValue(segment, out var open)) return open;
                if (segment < _removedBelow) throw new InvalidDataException($"{PathOf(segment)} was removed");
                Directory.CreateDirectory(Path.GetDirectoryName(FileName)!);
                return _segments[segment] = File.OpenHandle(
                    PathOf(segment), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            }
        }
    }
}
