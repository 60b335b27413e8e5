namespace Gateway.Storage;

/// <summary>Whether the volume takes writes, and how much room it has.</summary>
public sealed partial class Volume
{
    /// <summary>
    /// Bytes that no push may take: the journal's batch and the small files of changes that were already acknowledged must find room (one
    /// segment, and as much again).
    /// </summary>
    private const long Reserve = 4 << 20;

    private string? _notWritable;
    private string? _notWritten;
    private volatile bool _isInDoubt;
    private long _freeBytes;
    private long _freeCheckedAt;

    /// <summary>Why no pushes are taken, for the operator: it may name paths. Null when they are.</summary>
    public string? ReadOnlyBecause =>
        _unreplayedDetails ?? Durability.EndedDetails ?? WhyNoWrites ?? _notWritten
        ?? (FreeBytes < Reserve ? "the volume is full" : null);

    /// <summary>
    /// Why nothing at all can be written or removed: a flush failed, or the volume is read-only. Null when that is not so. The system is
    /// asked at most once a second.
    /// </summary>
    public string? WhyNoWrites
    {
        get
        {
            MeasureSeldom();
            return Durability.Ended ?? Volatile.Read(ref _notWritable);
        }
    }

    /// <summary>Bytes free on the volume for us; asked of the system at most once a second.</summary>
    public long FreeBytes
    {
        get
        {
            MeasureSeldom();
            return Volatile.Read(ref _freeBytes);
        }
    }

    /// <summary>Asks the system again: what was removed just now counts.</summary>
    public void MeasureRoom() => MeasureRoom(_clock.GetTimestamp());

    private void MeasureSeldom()
    {
        var now = _clock.GetTimestamp();
        if (_freeCheckedAt == 0 || _clock.GetElapsedTime(_freeCheckedAt, now) > TimeSpan.FromSeconds(1)) MeasureRoom(now);
    }

    private void MeasureRoom(long now)
    {
        var why = Posix.WhyNotWritable(_folders.Own);
        Volatile.Write(ref _notWritable, why is null ? null : $"the volume takes no writes ({why}); pulls go on");
        Volatile.Write(ref _notWritten, _isInDoubt && why is null ? WhyNotWritten() : null);
        Volatile.Write(ref _freeBytes, _drive.AvailableFreeSpace);
        _freeCheckedAt = now;
    }

    /// <summary>Bounds what is cached: at most so many bytes, and none once less than so many are free. May be called again.</summary>
    public void Limit(long maxCached, long keepFree)
    {
        (Eviction.MaxBytes, Fetches.KeepFree) = (maxCached, keepFree);
        _ = Task.Run(() => Eviction.MakeRoom(0));
    }

    /// <summary>Throws <see cref="StoreReadOnlyException"/> when a write of this lifetime must not begin.</summary>
    internal void CheckRoom(Lifetime lifetime)
    {
        if (_unreplayed is not null && lifetime != Lifetime.Cached) throw new StoreReadOnlyException(_unreplayed);
        if ((WhyNoWrites ?? _notWritten) is { } why) throw new StoreReadOnlyException(why);
        if (FreeBytes >= Reserve) return;
        MeasureRoom();
        if (FreeBytes < Reserve)
            throw new StoreReadOnlyException($"the volume is full ({FreeBytes} bytes left); free some room and push again");
    }

    /// <summary>
    /// Notes that a write failed. Until a trial write succeeds (a quota, inodes and failing devices show in nothing else), the volume takes
    /// no pushes.
    /// </summary>
    public void Doubt()
    {
        _isInDoubt = true;
        MeasureRoom();
    }

    /// <summary>Tries a small write, which is not flushed; null when it succeeds, and the volume is in doubt no longer.</summary>
    private string? WhyNotWritten()
    {
        try
        {
            var trial = Files.Temporary();
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
            return $"a trial write failed ({Disk.WhyOf(e)}); pushes are refused until one succeeds";
        }
    }
}
