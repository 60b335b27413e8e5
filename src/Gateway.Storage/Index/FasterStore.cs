using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using FASTER.core;

namespace Gateway.Storage;

/// <summary>
/// Records of fixed size by key, in FASTER: a hash table, and a log whose newest part is in memory. Safe for many threads. It throws when
/// its files are damaged; close it then, and set its folder aside. Only this type, <see cref="FasterFiles"/> and <see
/// cref="FasterCheckpoints"/> use FASTER's types.
/// </summary>
internal sealed class FasterStore<TKey, TValue> : IDisposable
    where TKey : unmanaged, IIndexKey, IEquatable<TKey>
    where TValue : unmanaged
{
    // The thread that fills a page writes it at once, which takes 0.1 ms.
    private const int PageBytes = 256 << 10;

    // Compaction returns whole segments to the disk.
    private const int SegmentBytes = 32 << 20;

    // Two segments: up to 450,000 records at 10 µs each, so that the end of the process waits only a few seconds for it.
    private const int CompactAtOnce = 2 * SegmentBytes;

    // One session serves one call at a time, and a call takes microseconds: more sessions than threads that can run.
    private static readonly int SessionCount = Math.Max(16, 4 * Environment.ProcessorCount);

    // Running calls end within microseconds unless the machine is overloaded.
    private static readonly TimeSpan CloseWithin = TimeSpan.FromSeconds(5);

    private readonly FasterFiles _files;
    private readonly FasterCheckpoints _checkpoints;
    private readonly IDevice _log;
    private readonly FasterKV<TKey, Entry> _kv;
    private readonly Session?[] _sessions = new Session?[SessionCount];
    private readonly Session[] _all = new Session[SessionCount];
    private readonly IndexSizes _sizes;
    private long _checkpointedAt;
    private long _count;
    private bool _opened;
    private volatile bool _closed;

    private FasterStore(string folder, IndexSizes sizes)
    {
        _sizes = sizes;
        _files = new FasterFiles(folder);
        _checkpoints = new FasterCheckpoints(_files, new DefaultCheckpointNamingScheme());
        _log = _files.Get(new FileDescriptor("", "log"));
        _kv = new FasterKV<TKey, Entry>(new FasterKVSettings<TKey, Entry>
        {
            IndexSize = sizes.HashTable,
            LogDevice = _log,
            PageSize = PageBytes,
            SegmentSize = SegmentBytes,
            MemorySize = sizes.Log,
            // A record is never changed in place (see Functions), so no reader can see half of one and no locks are needed.
            ConcurrencyControlMode = ConcurrencyControlMode.None,
            EqualityComparer = new KeyComparer(),
            CheckpointManager = _checkpoints,
        });
        // FASTER changes a record's header atomically. Across a boundary of eight bytes, that is slow or an error.
        Debug.Assert(_kv.Log.FixedRecordSize % sizeof(long) == 0, "keys and values must be multiples of eight bytes");
    }

    /// <summary>
    /// The approximate number of records at the last checkpoint: the entries of the hash table. Counting them reads the whole table.
    /// </summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>The number of reads so far. Each session counts its own, so that no two threads write the same counter.</summary>
    public long Reads => _opened ? _all.Sum(static session => session.Reads) : 0;

    /// <summary>
    /// Opens the store in a folder, from its latest checkpoint if there is one. Throws <see cref="InvalidDataException"/>, or any exception
    /// of FASTER, when the files cannot be used.
    /// </summary>
    public static FasterStore<TKey, TValue> Open(string folder, IndexSizes sizes)
    {
        Directory.CreateDirectory(folder);
        var store = new FasterStore<TKey, TValue>(folder, sizes);
        try
        {
            store.Recover();
            return store;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>Reads the record of a key. Also false when all sessions are busy; the caller then reads the disk.</summary>
    public bool TryRead(in TKey key, out TValue value)
    {
        value = default;
        if (Rent(wait: false) is not { } session) return false;
        Entry found = default;
        Nothing nothing = default;
        session.Reads++;
        var status = session.Calls.Read(ref Unsafe.AsRef(in key), ref nothing, ref found, session);
        if (status.IsPending)
        {
            // This thread has already done the read (see FasterFiles); this call only takes the result.
            session.Calls.CompletePending(wait: true);
            (status, found) = (session.Status, session.Found);
        }
        Return(session);
        ThrowIfFailed();
        if (!status.Found || !IsIntact(in key, in found)) return false;
        value = found.Value;
        return true;
    }

    /// <summary>Sets the record of a key.</summary>
    public void Write(in TKey key, in TValue value)
    {
        var entry = new Entry { Value = value, Check = CheckOf(in key, in value) };
        if (Rent(wait: true) is not { } session) return;
        session.Calls.Upsert(ref Unsafe.AsRef(in key), ref entry);
        Return(session);
    }

    /// <summary>Removes the record of a key, if there is one.</summary>
    public void Remove(in TKey key)
    {
        if (Rent(wait: true) is not { } session) return;
        session.Calls.Delete(ref Unsafe.AsRef(in key));
        Return(session);
    }

    /// <summary>
    /// If more than half of the log is unused, copies the used records of its oldest part to its end; the next checkpoint then removes that
    /// part. It looks up each record of that part, which takes some seconds, on its own thread.
    /// </summary>
    public Task CompactAsync() =>
        Task.Factory.StartNew(Compact, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private void Compact()
    {
        var log = _kv.Log;
        var used = Math.Max(_kv.EntryCount * log.FixedRecordSize, _sizes.Log);
        if (log.TailAddress - log.BeginAddress <= 2 * used) return;
        var until = Math.Min(log.SafeReadOnlyAddress, log.BeginAddress + CompactAtOnce);
        log.Compact<Nothing, Entry, Session?, Functions>(new Functions(), until, CompactionType.Lookup);
    }

    /// <summary>
    /// Makes all records durable if any has changed since the last call; a restart then finds them. Throws <see cref="IOException"/> or
    /// <see cref="InvalidDataException"/> when a file failed.
    /// </summary>
    public async Task CheckpointAsync(CancellationToken cancellationToken)
    {
        if (_kv.Log.TailAddress == _checkpointedAt) return;
        await _kv.TakeFullCheckpointAsync(CheckpointType.FoldOver, cancellationToken);
        ThrowIfFailed();
        NoteState();
        // Only from now on does no checkpoint need the segments that compaction has emptied.
        _kv.Log.Truncate();
    }

    /// <summary>
    /// Closes the store without a checkpoint. If a running call does not end in time, the store stays open until the process ends.
    /// </summary>
    public void Dispose()
    {
        _closed = true;
        var deadline = Environment.TickCount64 + (long)CloseWithin.TotalMilliseconds;
        for (var i = 0; i < _sessions.Length; i++)
        {
            Session? session;
            while ((session = Interlocked.Exchange(ref _sessions[i], null)) is null && _opened)
            {
                if (Environment.TickCount64 > deadline) return;
                Thread.Sleep(1);
            }
            session?.Calls.Dispose();
        }
        _kv.Dispose();
        _log.Dispose();
        _checkpoints.Dispose();
    }

    private void Recover()
    {
        if (_checkpoints.GetLogCheckpointTokens().Any()) _kv.Recover();
        ThrowIfFailed();
        NoteState();
        var functions = new Functions();
        for (var i = 0; i < _sessions.Length; i++) _sessions[i] = _all[i] = new Session(i, _kv.For(functions).NewSession<Functions>());
        _opened = true;
    }

    private void NoteState()
    {
        _checkpointedAt = _kv.Log.TailAddress;
        Volatile.Write(ref _count, _kv.EntryCount);
    }

    private Session? Rent(bool wait)
    {
        var spin = default(SpinWait);
        do
        {
            var first = Thread.GetCurrentProcessorId();
            for (var i = 0; i < _sessions.Length; i++)
            {
                if (Interlocked.Exchange(ref _sessions[(first + i) % _sessions.Length], null) is { } session) return session;
            }
            spin.SpinOnce();
        }
        while (wait && !_closed);
        return null;
    }

    private void Return(Session session) => Volatile.Write(ref _sessions[session.Slot], session);

    private void ThrowIfFailed()
    {
        if (_files.Failure is { } failure)
            throw new InvalidDataException($"the files of the lookup index cannot be used: {failure.Message}", failure);
    }

    private static ulong CheckOf(in TKey key, in TValue value) => Crc32C.RawOf(new Pair { Key = key, Value = value });

    private static bool IsIntact(in TKey key, in Entry entry) => entry.Check == CheckOf(in key, in entry.Value);

    /// <summary>The bytes that a record's checksum covers.</summary>
    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    private struct Pair
    {
        public TKey Key;
        public TValue Value;
    }

    /// <summary>
    /// A record in FASTER's form. Its checksum covers key and value, so a record that was written for another key is rejected.
    /// </summary>
    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    private struct Entry
    {
        public TValue Value;
        public ulong Check;
    }

    private struct Nothing;

    /// <summary>One of FASTER's sessions, and the result of its last read from disk.</summary>
    private sealed class Session(int slot, ClientSession<TKey, Entry, Nothing, Entry, Session?, Functions> calls)
    {
        public readonly int Slot = slot;
        public readonly ClientSession<TKey, Entry, Nothing, Entry, Session?, Functions> Calls = calls;
        public long Reads;
        public Status Status;
        public Entry Found;
    }

    private sealed class KeyComparer : IFasterEqualityComparer<TKey>
    {
        public long GetHashCode64(ref TKey k) => k.Hash64;

        public bool Equals(ref TKey k1, ref TKey k2) => k1.Equals(k2);
    }

    private sealed class Functions : FunctionsBase<TKey, Entry, Nothing, Entry, Session?>
    {
        public override bool SingleReader(ref TKey key, ref Nothing input, ref Entry value, ref Entry dst, ref ReadInfo readInfo)
        {
            dst = value;
            return true;
        }

        public override bool ConcurrentReader(ref TKey key, ref Nothing input, ref Entry value, ref Entry dst, ref ReadInfo readInfo) =>
            SingleReader(ref key, ref input, ref value, ref dst, ref readInfo);

        public override bool SingleWriter(
            ref TKey key, ref Nothing input, ref Entry src, ref Entry dst, ref Entry output, ref UpsertInfo upsertInfo, WriteReason reason)
        {
            dst = src;
            return true;
        }

        /// <summary>Refuses to overwrite a record; FASTER then appends a new one.</summary>
        public override bool ConcurrentWriter(
            ref TKey key, ref Nothing input, ref Entry src, ref Entry dst, ref Entry output, ref UpsertInfo upsertInfo) => false;

        public override void ReadCompletionCallback(
            ref TKey key, ref Nothing input, ref Entry output, Session? ctx, Status status, RecordMetadata recordMetadata)
        {
            if (ctx is not null) (ctx.Status, ctx.Found) = (status, output);
        }
    }
}
