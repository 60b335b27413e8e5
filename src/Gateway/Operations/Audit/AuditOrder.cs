namespace Gateway.Operations;

/// <summary>
/// Orders the lines of changes. Each line has its place from the moment of its change, and is written when its request and all requests
/// before it have ended.
/// </summary>
internal sealed class AuditOrder
{
    private readonly Lock _lock = new();
    private readonly LinkedList<AuditPlace> _places = [];

    /// <summary>Takes the next place, in exchange for an earlier place of the same request. Called in the order of changes.</summary>
    public AuditPlace Take(AuditPlace? earlier)
    {
        var place = new AuditPlace();
        lock (_lock)
        {
            if (earlier is not null) _places.Remove(earlier);
            _places.AddLast(place);
        }
        return place;
    }

    /// <summary>Fills a place, and returns the entries that can be written now, in order.</summary>
    /// <param name="entry">Null if the request needs no line after all.</param>
    public IReadOnlyList<AuditPlace> Fill(AuditPlace place, AuditEntry? entry)
    {
        var ready = new List<AuditPlace>();
        lock (_lock)
        {
            (place.Entry, place.IsFilled) = (entry, true);
            for (; _places.First is { Value.IsFilled: true } first; _places.RemoveFirst()) ready.Add(first.Value);
        }
        return ready;
    }
}

internal sealed class AuditPlace
{
    private readonly TaskCompletionSource _told = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public AuditEntry? Entry { get; set; }

    public bool IsFilled { get; set; }

    /// <summary>Completes when the line is in the log.</summary>
    public Task Told => _told.Task;

    public void SetTold() => _told.TrySetResult();
}
