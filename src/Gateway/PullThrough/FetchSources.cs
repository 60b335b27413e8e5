namespace Gateway.PullThrough;

/// <summary>
/// The repositories that vouched for a digest: contributed by those who ask for it, tried in turn. Also remembers the endpoint that failed
/// last, so that another is tried before it.
/// </summary>
internal sealed class FetchSources(UpstreamRepository first)
{
    // More names for one blob add nothing to its chances.
    private const int Max = 8;

    private readonly Lock _gate = new();
    private readonly List<UpstreamRepository> _all = [first];
    private int _failedInARow;

    public UpstreamRepository Current { get; private set; } = first;

    /// <summary>The endpoint to try last.</summary>
    public Uri? Except { get; set; }

    public void Add(UpstreamRepository source)
    {
        lock (_gate)
        {
            if (_all.Count < Max && !_all.Any(source.IsSameAs)) _all.Add(source);
        }
    }

    /// <summary>
    /// Goes on to the next source after a failure; false when all have failed since the last that worked, or when the failure says that no
    /// other will help.
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

    /// <summary>The current source works.</summary>
    public void Worked()
    {
        lock (_gate) _failedInARow = 0;
    }
}
