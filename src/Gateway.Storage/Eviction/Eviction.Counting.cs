namespace Gateway.Storage;

/// <summary>The order of eviction, and the disk space of each content.</summary>
public sealed partial class Eviction
{
    /// <summary>Counts content whose file is in the cached root.</summary>
    public void Stored(Digest digest, long size)
    {
        lock (_lock) Add(digest, size);
    }

    /// <summary>Counts a small file of a cached repository; it is removed with this content.</summary>
    internal void Noted(Digest digest, Note note) =>
        Noted(digest, note, DiskCost.Of(note));

    /// <summary>Counts a small file whose size has changed.</summary>
    internal void Noted(Digest digest, Note note, long cost)
    {
        var key = new DigestKey(digest);
        lock (_lock)
        {
            _ledger.Noted(key, note, cost);
            Order(key);
        }
    }

    /// <summary>Counts small files that are stored and removed with other notes of this content, such as its tags.</summary>
    public void Charge(Digest digest, long cost)
    {
        var key = new DigestKey(digest);
        lock (_lock)
        {
            _ledger.Charge(key, cost);
            Order(key);
        }
    }

    /// <summary>
    /// Counts the notes of evicted content that was stored again before they were removed; false when it was not. Makes room for them
    /// first: they were not counted while they waited, and other content has used that room.
    /// </summary>
    internal bool TakeBack(Digest digest, IReadOnlyList<Note> notes)
    {
        var key = new DigestKey(digest);
        if (!IsCountedAsThere(key)) return false;
        var cost = notes.Sum(DiskCost.Of);
        var isReserved = TryReserve(cost);
        lock (_lock)
        {
            if (isReserved) _arriving -= cost;
            // The content may have been evicted again to make that room.
            if (_ledger.BytesOf(key) is null) return false;
            foreach (var note in notes) _ledger.Noted(key, note, DiskCost.Of(note));
            Order(key);
            return true;
        }
    }

    private bool IsCountedAsThere(DigestKey key)
    {
        lock (_lock) return _ledger.BytesOf(key) is not null;
    }

    private void Add(Digest digest, long size)
    {
        var key = new DigestKey(digest);
        _ledger.Stored(key, size);
        Order(key);
    }

    // There is no order until everything is counted.
    private void Order(DigestKey key)
    {
        if (!_isCounted || _ledger.BytesOf(key) is not { } bytes) return;
        if (!_order.Resize(key, bytes) && _order.Add(key, bytes)) _used.Add(key);
    }

    /// <summary>
    /// Removes content from the order of eviction: a client has pushed it too, so its bytes also belong to the pushed root.
    /// </summary>
    public void Forget(Digest digest)
    {
        var key = new DigestKey(digest);
        lock (_lock)
        {
            _ledger.Forget(key);
            if (_ledger.BytesOf(key) is { } notes)
            {
                _order.Resize(key, notes);
                return;
            }
            _order.Remove(key);
            _used.Remove(key);
        }
        _index.Remove(key);
    }

    // Removes the content from the order, with all notes that exist because of it.
    private void Drop(DigestKey key)
    {
        IReadOnlyList<Note> notes;
        lock (_lock)
        {
            notes = _ledger.Remove(key);
            _order.Remove(key);
            _used.Remove(key);
        }
        _index.Remove(key);
        _evictedNotes.Add(key.ToDigest(), notes);
    }

    private bool HasBytes(DigestKey key)
    {
        lock (_lock) return _ledger.HasBytes(key);
    }

    /// <summary>Counts the content that earlier processes stored: the disk has the sizes, the lookup index has the uses.</summary>
    private async Task CountAsync()
    {
        var census = new CacheCensus(_root, _index);
        try
        {
            await _index.Opened;
            census.Read(_stop.Token);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.NotCounted(_logger, e);
        }
        lock (_lock)
        {
            census.Enter(_ledger);
            _order.Restore([.. census.InOrder(_ledger).Select(key => (key, _ledger.BytesOf(key)!.Value, WorthOf(key)))]);
            _isCounted = true;
        }
    }

    private Worth? WorthOf(DigestKey key) => _index.TryRead(key, out var record) && double.IsFinite(record.Priority) && record.Uses > 0
        ? new(Math.Min(record.Uses, GreedyDual<DigestKey>.MostUses), Math.Max(record.Priority, 0))
        : null;
}
