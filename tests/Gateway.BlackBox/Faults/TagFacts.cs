namespace Gateway.BlackBox.Faults;

/// <summary>What a tag can be bound to, by the answers to the one client that changes it.</summary>
/// <remarks>
/// A request without an answer can be carried out at any later time, because the gateway that has it may be paused. So its effect stays
/// possible, also after a later request was acknowledged.
/// </remarks>
internal sealed class TagFacts(string repository, string tag)
{
    /// <summary>In place of a digest: the tag does not exist.</summary>
    public const string Absent = "absent";

    /// <summary>In place of a digest: pullers do not see the tag, pushers see a held push.</summary>
    public const string Held = "held";

    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _possible = [];
    private string _last = Absent;

    public string Repository => repository;

    public string Tag => tag;

    /// <summary>Whether the tag's manifest has been bound to another tag too, so that it must not be deleted.</summary>
    public bool IsUsed { get; set; }

    /// <summary>The last state that was acknowledged.</summary>
    public string Last
    {
        get
        {
            lock (_lock) return _last;
        }
    }

    /// <summary>Whether only one state is possible.</summary>
    public bool IsCertain
    {
        get
        {
            lock (_lock) return _possible.Keys.All(state => state == _last);
        }
    }

    /// <summary>Notes a request that makes this state.</summary>
    public void Try(string state)
    {
        lock (_lock) _possible[state] = _possible.GetValueOrDefault(state) + 1;
    }

    /// <summary>Notes that the last request for this state was acknowledged.</summary>
    public void Acknowledge(string state)
    {
        lock (_lock)
        {
            _last = state;
            if (--_possible[state] == 0) _possible.Remove(state);
        }
    }

    public bool Allows(string state)
    {
        lock (_lock) return _last == state || _possible.ContainsKey(state);
    }

    public override string ToString()
    {
        lock (_lock) return $"{repository}:{tag} is {_last}{string.Concat(_possible.Keys.Select(state => $", or {state}"))}";
    }
}
