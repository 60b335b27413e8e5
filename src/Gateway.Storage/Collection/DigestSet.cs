namespace Gateway.Storage;

/// <summary>
/// A set of digests that only grows: eight bytes of each, in a table that is at most three quarters full. It may say of a digest that it is
/// in the set when another one with the same first 64 bits is; the collector then keeps what it could remove. When the table is full, the
/// set covers only the lower half of the digests that it covered before.
/// </summary>
/// <param name="from">The lowest key that the set covers.</param>
/// <param name="maxSlots">The largest number of slots, a power of two.</param>
internal sealed class DigestSet(ulong from = 0, int maxSlots = DigestSet.MaxSlots)
{
    /// <summary>
    /// Slots of 8 bytes: 512 MiB for 50 million digests. A million take 16 MiB. Chosen: a store with more is collected in several walks.
    /// </summary>
    public const int MaxSlots = 1 << 26;

    private ulong[] _slots = new ulong[Math.Min(1024, maxSlots)];
    private int _count;

    /// <summary>The highest key that the set covers.</summary>
    public ulong Last { get; private set; } = ulong.MaxValue;

    /// <summary>Whether the set knows about this digest.</summary>
    public bool Covers(Digest digest) => KeyOf(digest) is var key && key >= from && key <= Last;

    /// <summary>Adds a digest, if the set covers it.</summary>
    public void Add(Digest digest)
    {
        var key = KeyOf(digest);
        while (_count + 1 > _slots.Length / 4 * 3 && key >= from && key <= Last) MakeRoom();
        if (key >= from && key <= Last) Put(key);
    }

    /// <summary>Whether a digest was added; sometimes true for one that was not.</summary>
    public bool Contains(Digest digest)
    {
        var key = KeyOf(digest);
        for (var at = StartOf(key); _slots[at] != 0; at = (at + 1) & (_slots.Length - 1))
        {
            if (_slots[at] == key) return true;
        }
        return false;
    }

    private void Put(ulong key)
    {
        var at = StartOf(key);
        for (; _slots[at] != 0; at = (at + 1) & (_slots.Length - 1))
        {
            if (_slots[at] == key) return;
        }
        (_slots[at], _count) = (key, _count + 1);
    }

    private void MakeRoom()
    {
        var all = _slots;
        if (all.Length < maxSlots) _slots = new ulong[all.Length * 2];
        else
        {
            Last = from + ((Last - from) / 2);
            _slots = new ulong[all.Length];
        }
        _count = 0;
        foreach (var key in all)
        {
            if (key != 0 && key <= Last) Put(key);
        }
    }

    private int StartOf(ulong key) => (int)((key >> 7) ^ key) & (_slots.Length - 1);

    // Zero marks a free slot.
    private static ulong KeyOf(Digest digest) => Math.Max(1, (ulong)new DigestKey(digest).Hash64);
}
