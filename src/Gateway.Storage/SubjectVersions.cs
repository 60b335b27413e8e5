using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// For each subject the number of the last change of its evidence or offers since the start. What was forgotten for want of room counts as
/// changed at the latest of what was forgotten: a verdict is then asked for once more than needed.
/// </summary>
internal sealed class SubjectVersions
{
    /// <summary>Subjects remembered for one repository, some 100 bytes each. Chosen: far above what is signed at a time.</summary>
    private const int Most = 4096;

    private readonly Lock _lock = new();
    private readonly Dictionary<Digest, long> _versions = [];
    private long _forgotten;
    private long _latest;
    private long _lost;

    /// <summary>The number of the last change of any subject.</summary>
    public long Latest => Volatile.Read(ref _latest);

    public long Of(Digest subject)
    {
        lock (_lock) return _versions.GetValueOrDefault(subject, _forgotten);
    }

    public void Raise(Digest subject, long sequence)
    {
        lock (_lock)
        {
            if (_versions.Count >= Most)
            {
                _versions.Clear();
                _forgotten = _latest;
            }
            _versions[subject] = sequence;
        }
        RaiseAll(sequence);
    }

    /// <summary>The number of the last change that took something away which a verdict may rest on.</summary>
    public long Lost => Volatile.Read(ref _lost);

    /// <summary>Notes that something was taken away.</summary>
    public void Lose(long sequence) => Volatile.Write(ref _lost, sequence);

    /// <summary>Notes a change that may concern more than one subject, such as an index that comes or goes.</summary>
    public void RaiseAll(long sequence) => Volatile.Write(ref _latest, sequence);
}
