namespace Gateway.PullThrough;

/// <summary>
/// The repositories that vouched for a digest. Each reader of a fetch adds its repository; they are tried in turn. The endpoint that failed
/// last is tried last.
/// </summary>
internal sealed class FetchSources(UpstreamRepository first)
{
    // Chosen: more repositories hardly raise the chance that one has the blob.
    private const int Max = 8;

    private readonly Lock _gate = new();
    private readonly List<UpstreamRepository> _all = [first];
    private int _failedInARow;

    public UpstreamRepository Current { get; private set; } = first;

    /// <summary>The endpoint to try last.</summary>
    public Uri? Except { get; set; }

    /// <summary>Whether no other repository has joined.</summary>
    public bool IsOnly(UpstreamRepository source)
    {
        lock (_gate) return _all.TrueForAll(source.IsSameAs);
    }

    public void Add(UpstreamRepository source)
    {
        lock (_gate)
        {
            if (_all.Count < Max && !_all.Any(source.IsSameAs)) _all.Add(source);
        }
    }

    /// <summary>
    /// Moves to the next source after a failure. False if all sources have failed since the last success, or if no other source can help.
    /// </summary>
    public bool MoveOn(FetchException failure)
    {
        if (failure.Failure is not (FetchFailure.Unavailable or FetchFailure.Absent or FetchFailure.Wrong)) return false;
        lock (_gate)
        {
            Current = _all[(_all.IndexOf(Current) + 1) % _all.Count];
            return ++_failedInARow < _all.Count;
        }
    }

    /// <summary>Records that the current source works.</summary>
    public void Worked()
    {
        lock (_gate) _failedInARow = 0;
    }
}
