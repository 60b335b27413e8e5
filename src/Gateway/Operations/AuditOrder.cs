namespace Gateway.Operations;

/// <summary>
/// The lines that tell of changes, in the order of the changes: each has its place from the moment when its change is made, and is written
/// when its request and all requests before it have told what there is to tell.
/// </summary>
internal sealed class AuditOrder
{
    private readonly Lock _lock = new();
    private readonly LinkedList<AuditPlace> _places = [];

    /// <summary>Takes the next place, in exchange for one that the same request has taken before. Called in the order of changes.</summary>
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

    /// <summary>Fills a place, and returns those that no other has to wait for any longer, in order.</summary>
    /// <param name="entry">Null where nothing is told of after all.</param>
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

/// <summary>One place in an <see cref="AuditOrder"/>.</summary>
internal sealed class AuditPlace
{
    private readonly TaskCompletionSource _told = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public AuditEntry? Entry { get; set; }

    public bool IsFilled { get; set; }

    /// <summary>Ends when the line is in the log.</summary>
    public Task Told => _told.Task;

    public void SetTold() => _told.TrySetResult();
}
