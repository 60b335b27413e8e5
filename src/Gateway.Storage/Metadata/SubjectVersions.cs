namespace Gateway.Storage;

/// <summary>
/// For each subject, the number of the last change of its evidence or held pushes since the start. A subject that was forgotten to make
/// room counts as changed with the latest one that was forgotten: its verdict is then evaluated once more than needed.
/// </summary>
internal sealed class SubjectVersions
{
    /// <summary>Subjects that are remembered for one repository, some 100 bytes each. Chosen: far more than are signed at a time.</summary>
    private const int Most = 4096;

    private readonly Lock _lock = new();
    private readonly Dictionary<Digest, long> _versions = [];
    private long _forgotten;
    private long _latest;
    private long _lost;

    /// <summary>The number of the last change of any subject.</summary>
    public long Latest => Volatile.Read(ref _latest);

    /// <summary>The number of the last change of a subject.</summary>
    public long Of(Digest subject)
    {
        lock (_lock) return _versions.GetValueOrDefault(subject, _forgotten);
    }

    /// <summary>Notes a change of a subject.</summary>
    public void Raise(Digest subject, long sequence)
    {
        lock (_lock)
        {
            if (_versions.Count >= Most)
            {
                // Half of them at once: each time, verdicts about every forgotten subject are evaluated once more.
                var oldest = _versions.OrderBy(static version => version.Value).Take(Most / 2).ToArray();
                foreach (var (forgotten, _) in oldest) _versions.Remove(forgotten);
                _forgotten = oldest[^1].Value;
            }
            _versions[subject] = sequence;
        }
        RaiseAll(sequence);
    }

    /// <summary>The number of the last change that removed something which a verdict may rest on.</summary>
    public long Lost => Volatile.Read(ref _lost);

    /// <summary>Notes such a removal.</summary>
    public void Lose(long sequence) => Volatile.Write(ref _lost, sequence);

    /// <summary>Notes a change that may concern more than one subject, such as an index that is added or removed.</summary>
    public void RaiseAll(long sequence) => Volatile.Write(ref _latest, sequence);
}
