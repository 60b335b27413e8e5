using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>What is in the order, and what each content takes on the disk.</summary>
public sealed partial class Eviction
{
    /// <summary>Counts content that is in its place.</summary>
    public void Stored(Digest digest, long size)
    {
        lock (_lock) Add(digest, size);
    }

    /// <summary>Counts a small file of a cached repository; it goes with this content.</summary>
    internal void Noted(Digest digest, Note note) =>
        Noted(digest, note, DiskCost.Of(note));

    /// <summary>The same of a file of another size.</summary>
    internal void Noted(Digest digest, Note note, long cost)
    {
        var key = new DigestKey(digest);
        lock (_lock)
        {
            _ledger.Noted(key, note, cost);
            Order(key);
        }
    }

    /// <summary>Counts what comes and goes with other notes of this content, such as its tags.</summary>
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
    /// Counts the notes of evicted content that was stored again before they were removed; false when it was not. Room is made for them
    /// first: they were not counted while they waited, and others have used that room.
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
            // It may have been evicted again to make that room.
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

    // Until all has been counted there is no order.
    private void Order(DigestKey key)
    {
        if (!_isCounted || _ledger.BytesOf(key) is not { } bytes) return;
        if (!_order.Resize(key, bytes) && _order.Add(key, bytes)) _used.Add(key);
    }

    /// <summary>
    /// Takes some content out of what may be evicted: a client has pushed it too, and its bytes are no longer ours alone.
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

    // Out of the order, with all that is noted because of it.
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
        _removals.Remove(key.ToDigest(), notes);
    }

    private bool HasBytes(DigestKey key)
    {
        lock (_lock) return _ledger.HasBytes(key);
    }

    /// <summary>Counts what an earlier start left: the disk says what is there, the index how it was used.</summary>
    private async Task CountAsync()
    {
        var census = new CacheCensus(_volume, _index);
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
