namespace Gateway.Storage;

/// <summary>Whether the volume accepts writes, and how much room it has.</summary>
public sealed class VolumeHealth
{
    /// <summary>
    /// Bytes that no push may use. The journal's batch and the small files of acknowledged changes must find room (one segment, and the
    /// same again).
    /// </summary>
    private const long Reserve = 4 << 20;

    private readonly Folders _folders;
    private readonly SmallFiles _files;
    private readonly Trash _trash;
    private readonly TimeProvider _clock;
    private readonly DriveInfo _drive;

    // Why the journal was not replayed: for clients, and with paths for the operator. Both are null when it was replayed.
    private string? _unreplayed;
    private string? _unreplayedDetails;
    private string? _notWritable;
    private string? _notWritten;
    private volatile bool _isInDoubt;
    private long _freeBytes;
    private long _freeCheckedAt;

    internal VolumeHealth(Folders folders, SmallFiles files, Trash trash, TimeProvider clock) =>
        (_folders, _files, _trash, _clock, _drive) = (folders, files, trash, clock, new(folders.Path));

    /// <summary>Bytes of the volume that stay free; with less free space, fetched content is not stored.</summary>
    public long KeepFree { get; set; }

    /// <summary>What watches the bucket that has pushed content; null when this disk has it.</summary>
    internal SharedPoll? Poll { get; set; }

    /// <summary>Why the bucket was not read when that was tried last, in one line; null when it was, and without a bucket.</summary>
    public string? BucketProblem => Poll?.Problem;

    /// <summary>
    /// Why the journal of earlier processes is not applied; null when it is. Until it is, its segments have changes that are stored nowhere
    /// else.
    /// </summary>
    internal string? WhyNotReplayed => _unreplayed;

    /// <summary>Records that the journal could not be applied: the volume accepts no pushes until the next start.</summary>
    /// <param name="why">One line that a client may see.</param>
    /// <param name="details">The same with paths, for the operator.</param>
    internal void NotReplayed(string why, string details) => (_unreplayed, _unreplayedDetails) = (why, details);

    /// <summary>Why the volume accepts no pushes, for the operator; it may name paths. Null when it accepts them.</summary>
    public string? ReadOnlyBecause =>
        _unreplayedDetails ?? _folders.Durability.EndedDetails ?? WhyNoWrites ?? _notWritten
        ?? (FreeBytes < Reserve ? "the volume is full" : null);

    /// <summary>
    /// Why nothing at all can be written or removed: a flush failed, or the volume is read-only. Null otherwise. The system is asked at
    /// most once per second.
    /// </summary>
    public string? WhyNoWrites
    {
        get
        {
            MeasureSeldom();
            return _folders.Durability.Ended ?? Volatile.Read(ref _notWritable);
        }
    }

    /// <summary>Free bytes of the volume that the gateway may use; the system is asked at most once per second.</summary>
    public long FreeBytes
    {
        get
        {
            MeasureSeldom();
            return Volatile.Read(ref _freeBytes);
        }
    }

    /// <summary>Asks the system again, so that recent removals count.</summary>
    public void MeasureRoom() => MeasureRoom(_clock.GetTimestamp());

    private void MeasureSeldom()
    {
        var now = _clock.GetTimestamp();
        if (_freeCheckedAt == 0 || _clock.GetElapsedTime(_freeCheckedAt, now) > TimeSpan.FromSeconds(1)) MeasureRoom(now);
    }

    private void MeasureRoom(long now)
    {
        var why = Posix.WhyNotWritable(_folders.Own);
        Volatile.Write(ref _notWritable, why is null ? null : $"the volume accepts no writes ({why}); pulls are served");
        Volatile.Write(ref _notWritten, _isInDoubt && why is null ? WhyNotWritten() : null);
        Volatile.Write(ref _freeBytes, _drive.AvailableFreeSpace);
        _freeCheckedAt = now;
        // Removed content can be restored only while there is room for it.
        if (why is null && _drive.AvailableFreeSpace is var free && free < KeepFree && _trash.Bytes > 0)
            _trash.FreeSoon(KeepFree - free);
    }

    /// <summary>Throws <see cref="StoreReadOnlyException"/> when a write to a root of this lifetime must not begin.</summary>
    /// <param name="isRemoval">Whether the write only removes something: it may use the reserve.</param>
    internal void CheckRoom(Lifetime lifetime, bool isRemoval = false)
    {
        if (_unreplayed is not null && lifetime != Lifetime.Cached) throw new StoreReadOnlyException(_unreplayed);
        if ((WhyNoWrites ?? _notWritten) is { } why) throw new StoreReadOnlyException(why);
        if (isRemoval || FreeBytes >= Reserve) return;
        MeasureRoom();
        if (FreeBytes < Reserve)
            throw new StoreReadOnlyException($"the volume is full ({FreeBytes} bytes free); free some space and push again");
    }

    /// <summary>
    /// Records that a write failed. The volume accepts no pushes until a trial write succeeds; only a write detects quotas, missing inodes
    /// and failing devices.
    /// </summary>
    public void Doubt()
    {
        _isInDoubt = true;
        MeasureRoom();
    }

    /// <summary>Tries a small write, which is not flushed; null when it succeeds, and the volume accepts pushes again.</summary>
    private string? WhyNotWritten()
    {
        try
        {
            var trial = _files.Temporary();
            try
            {
                // A block of most file systems.
                File.WriteAllBytes(trial, new byte[4096]);
            }
            finally
            {
                File.Delete(trial);
            }
            _isInDoubt = false;
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"a trial write to the volume failed ({Disk.WhyOf(e)}); pushes are refused until one succeeds";
        }
    }
}
