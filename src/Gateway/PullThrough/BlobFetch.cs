using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Gateway.Oci;
using Gateway.Storage;
using Microsoft.Win32.SafeHandles;

namespace Gateway.PullThrough;

/// <summary>
/// One download of one digest into a growing file, hashed while it is written. Readers see the contiguous hashed bytes but for the last
/// one, which is released when the digest matched. Lives until it has ended and its last reader has left (docs/design/0003-fetch.md).
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "What it owns is disposed of by its last holder.")]
internal sealed class BlobFetch
{
    // Bytes hashed at a time from the file.
    private const int RehashBuffer = 256 * 1024;

    private readonly FetchTable _table;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _verified = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Watermark _readable = new();
    private readonly Lock _gate = new();
    private readonly IncrementalHash _hash;
    private FetchFile? _file;
    private int _holders = 1; // the download itself
    private int _readers;
    private long _position;

    public BlobFetch(FetchTable table, Digest digest, long? length, UpstreamRepository source)
    {
        (_table, Digest, Length, Sources) = (table, digest, length, new(source));
        _hash = IncrementalHash.CreateHash(Digest.HashName(digest.Algorithm));
        // Failures reach whoever waits; that nobody may wait is no error.
        _ = _started.Task.ContinueWith(static t => _ = t.Exception, TaskScheduler.Default);
        _ = _verified.Task.ContinueWith(static t => _ = t.Exception, TaskScheduler.Default);
    }

    public Digest Digest { get; }

    public FetchSources Sources { get; }

    /// <summary>Known from the manifest, else from the upstream's answer; null while nobody has said.</summary>
    public long? Length { get; set; }

    /// <summary>Contiguous bytes that are written and hashed.</summary>
    public long Position => Volatile.Read(ref _position);

    /// <summary>Ends when an upstream has answered and bytes will come; faults when none will.</summary>
    public Task Started => _started.Task;

    /// <summary>Ends when the digest matched; faults when it will not.</summary>
    public Task Verified => _verified.Task;

    public bool IsVerified => _readable.IsComplete;

    /// <summary>How much may be read now.</summary>
    public long Readable => _readable.Value;

    /// <summary>The growing file; only after <see cref="Started"/>.</summary>
    public SafeFileHandle Handle => _file!.Handle;

    public ValueTask<long> WaitBeyondAsync(long offset, CancellationToken cancellationToken) =>
        _readable.WaitBeyondAsync(offset, cancellationToken);

    /// <summary>Takes a place among the readers; false when the fetch has ended and is forgotten.</summary>
    public bool TryJoin(UpstreamRepository source)
    {
        lock (_gate)
        {
            if (_holders == 0) return false;
            _holders++;
            _readers++;
        }
        Sources.Add(source);
        return true;
    }

    /// <summary>Gives the place back. A fetch that nobody reads goes on only while its size is within reason.</summary>
    public async ValueTask LeaveAsync()
    {
        bool alone;
        lock (_gate) alone = --_readers == 0;
        if (alone && IsTooLargeToGoOnAlone) await _stop.CancelAsync();
        await LetGoAsync();
    }

    /// <summary>Stops it; what it has is left behind.</summary>
    public async ValueTask StopAsync()
    {
        lock (_gate)
        {
            if (_holders == 0) return;
            _holders++;
        }
        await _stop.CancelAsync();
        await LetGoAsync();
    }

    /// <summary>Runs the fetch to its end; never throws.</summary>
    public async Task RunAsync()
    {
        try
        {
            await FetchAsync(_stop.Token);
            await PublishAsync();
        }
        catch (Exception e)
        {
            Fail(e);
        }
        finally
        {
            _table.Forget(this);
            await LetGoAsync();
        }
    }

    /// <summary>The state of the hash after the bytes before <paramref name="position"/>; only after a failure for want of room.</summary>
    public (IncrementalHash Hash, long Position) ContinueHash()
    {
        lock (_gate) return (_hash.Clone(), _position);
    }

    /// <summary>Writes the bytes at <see cref="Position"/>, and hashes them.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        WriteAhead(_position, bytes);
        Hashed(bytes);
    }

    /// <summary>Writes bytes that are not hashed yet; only between <see cref="BeginAhead"/> and <see cref="EndAhead"/>.</summary>
    public void WriteAhead(long offset, ReadOnlySpan<byte> bytes)
    {
        try
        {
            _file!.Write(offset, bytes);
        }
        catch (IOException e)
        {
            throw new FetchException(FetchFailure.NoRoom, $"the volume took no more of {Digest}: {e.Message}", e);
        }
    }

    /// <summary>Bytes will be written beyond what is contiguous.</summary>
    public void BeginAhead() => _file!.BeginAhead(Position);

    /// <summary>No more will, and what lies there unhashed is given up.</summary>
    public void EndAhead() => _file!.EndAhead(Position);

    /// <summary>Hashes what is in the file, up to an offset. One at a time, and not beside <see cref="Append"/>.</summary>
    public async ValueTask HashUpToAsync(long end, CancellationToken cancellationToken)
    {
        if (Position >= end) return;
        var buffer = ArrayPool<byte>.Shared.Rent(RehashBuffer);
        try
        {
            while (Position < end)
            {
                var wanted = buffer.AsMemory(0, (int)Math.Min(RehashBuffer, end - Position));
                var read = await RandomAccess.ReadAsync(Handle, wanted, Position, cancellationToken);
                if (read == 0) return;
                Hashed(wanted.Span[..read]);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        _file!.NoteContiguous(Position);
    }

    private bool IsTooLargeToGoOnAlone => !IsVerified && (Length ?? Position) > _table.LargestAbandoned;

    private async Task FetchAsync(CancellationToken cancellationToken)
    {
        using var slot = await _table.EnterAsync(Sources.Current, cancellationToken);
        if (_table.IsOnDisk(Digest, Length)) throw new FetchException(FetchFailure.OnDisk, $"{Digest} is on disk already");
        _file = _table.OpenFile(Digest, Length)
            ?? throw new FetchException(FetchFailure.NoRoom, $"there is no room to keep {Digest}");
        if (Length < _file.LeftBehind) throw Wrong(null, $"a part of {_file.LeftBehind} bytes was left behind, {Length} were expected");
        await HashUpToAsync(_file.LeftBehind, cancellationToken);
        // A part may be all there is: who does not know the length would be asking for what lies behind the end.
        if (Length is null && Position > 0 && Actual() == Digest) Length = Position;
        var sink = new SideBySide(this, _table);
        await using var download = new Download(Digest, Sources, sink, _table.IsSuspect(Digest), _table.Clock, _table.Logger);
        if (Position != Length) await download.OpenAsync(cancellationToken);
        _started.TrySetResult();
        await sink.RunAsync(download, cancellationToken);
        var actual = Actual();
        if (actual != Digest) throw Wrong(download.Endpoint, $"{Position} bytes came for {Digest}, but their digest is {actual}");
        Length = Position;
        _readable.Complete(Position);
        _verified.TrySetResult();
    }

    private Digest Actual()
    {
        lock (_gate) return Digest.FromHash(Digest.Algorithm, _hash.GetCurrentHash());
    }

    private void Hashed(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            _hash.AppendData(bytes);
            _position += bytes.Length;
        }
        // Any byte may be the last while the length is unknown.
        _readable.MoveTo(Math.Min(_position, (Length ?? _position) - 1));
    }

    private FetchException Wrong(Uri? endpoint, string what)
    {
        _file!.Discard();
        _table.Suspect(Digest, endpoint, Sources.Current, what);
        return new FetchException(FetchFailure.Wrong, what);
    }

    // A failure here costs the next caller a fetch; who reads now has the bytes.
    private async Task PublishAsync()
    {
        try
        {
            await _file!.PublishAsync(Position, CancellationToken.None);
            Log.Fetched(_table.Logger, Digest, Position, Sources.Current.Key);
        }
        catch (IOException e)
        {
            Log.NotStored(_table.Logger, e, Digest);
            _file!.Discard();
        }
    }

    private void Fail(Exception e)
    {
        var failure = e as FetchException ?? new FetchException(
            e is OperationCanceledException ? FetchFailure.Stopped : FetchFailure.Unavailable,
            $"the fetch of {Digest} ended: {e.Message}", e);
        if (failure.Failure is FetchFailure.NoRoom or FetchFailure.Wrong || Position == 0) _file?.Discard();
        // Another fetch, or a push, was quicker: whoever waits looks again and finds it.
        if (failure.Failure != FetchFailure.OnDisk) Log.FetchFailed(_table.Logger, Digest, Position, failure.Message);
        _readable.Fail(failure);
        _started.TrySetException(failure);
        _verified.TrySetException(failure);
    }

    private async ValueTask LetGoAsync()
    {
        lock (_gate)
        {
            if (--_holders > 0) return;
        }
        if (_file is not null) await _file.DisposeAsync();
        _hash.Dispose();
        _stop.Dispose();
    }
}
