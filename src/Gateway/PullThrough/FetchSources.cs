namespace Gateway.PullThrough;

/// <summary>
/// The repositories that vouched for a digest. Each reader of a fetch adds its own; they are tried in turn. It also remembers the endpoint
/// that failed last, so that another is tried before it.
/// </summary>
internal sealed class FetchSources(UpstreamRepository first)
{
    // Chosen: more repositories than this hardly raise the chance that one has the blob.
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
