namespace Gateway.Storage;

/// <summary>
/// Which content pushers used lately: content that a change names, that a <c>HEAD</c> or a mount found, or that was moved into place. The
/// collector removes nothing that is recent. Time is cut into slices. A slice is a Bloom filter of the digests used in it. A filter says
/// "used" of some content that was not, which only keeps that content until the next collection; it never says "unused" of used content.
/// </summary>
/// <remarks>
/// At most <see cref="MaxSlices"/> filters of 1 MiB, however many digests are used. A million digests in a slice make one of 40 others
/// seem used, 200,000 one of 12,000. It is lost at a stop. Therefore everything counts as used until the process is older than
/// <see cref="Grace"/>.
/// </remarks>
internal sealed class RecentUses(TimeProvider clock)
{
    /// <summary>Slices of one grace time: content stays at most a quarter longer than configured.</summary>
    private const int SlicesOfGrace = 4;

    /// <summary>The number of filters that exist at most: more are merged. Two grace times, for a collection that takes long.</summary>
    private const int MaxSlices = 2 * SlicesOfGrace;

    /// <summary>How much the clocks of two gateways may differ: each by 15 minutes from the store, which then refuses requests.</summary>
    private static readonly TimeSpan ClocksDiffer = TimeSpan.FromMinutes(30);

    private readonly Lock _lock = new();
    private readonly List<Slice> _slices = [new(clock.GetTimestamp())];

    // Since when every use is known: the start, until slices are dropped.
    private long _knownSince = clock.GetTimestamp();
    private volatile Slice? _latest;
    private int _holds;
    private long _grace = TimeSpan.FromHours(1).Ticks;

    /// <summary>How long a use counts. If it is raised, everything counts as used until the longer time is known.</summary>
    public TimeSpan Grace
    {
        get => new(Interlocked.Read(ref _grace));
        set
        {
            lock (_lock)
            {
                if (value == Grace) return;
                // The length of a slice depends on it.
                Begin(clock.GetTimestamp());
                Interlocked.Exchange(ref _grace, value.Ticks);
            }
        }
    }

    /// <summary>How long until the uses of a whole <see cref="Grace"/> are known; zero or less when they are.</summary>
    public TimeSpan Missing
    {
        get
        {
            lock (_lock) return Grace - clock.GetElapsedTime(_knownSince);
        }
    }

    /// <summary>Notes a use.</summary>
    public void Note(Digest digest) => Current().Filter.Add(KeyOf(digest));

    /// <summary>Notes the uses of a change that another gateway made, unless that is longer ago than <see cref="Grace"/>.</summary>
    /// <param name="at">When it was made, by the clock of that gateway.</param>
    public void Note(IEnumerable<Operation> operations, DateTimeOffset at)
    {
        if (at < clock.GetUtcNow() - Grace - ClocksDiffer) return;
        foreach (var operation in operations)
        {
            if (NamedBy(operation) is { IsEmpty: false } digest) Note(digest);
        }
    }

    /// <summary>
    /// Notes a use by a change, which lasts until the result is disposed of: however long the change waits for the disk, its content is
    /// recent.
    /// </summary>
    public Use Begin(Change change)
    {
        // Under the lock, so that the slice is not merged into another in between.
        lock (_lock)
        {
            var slice = Current();
            slice.Users++;
            foreach (var operation in change.Operations)
            {
                if (NamedBy(operation) is { IsEmpty: false } digest) slice.Filter.Add(KeyOf(digest));
            }
            foreach (var (_, digest) in change.Needs) slice.Filter.Add(KeyOf(digest));
            return new(this, slice);
        }
    }

    private static Digest NamedBy(Operation operation) => operation switch
    {
        Operation.StoreManifest o => o.Digest,
        Operation.LinkBlob o => o.Digest,
        Operation.SetLive o => o.Digest,
        Operation.Hold o => o.Digest,
        _ => default,
    };

    /// <summary>Keeps every use that is recent now, and all later ones, until the result is disposed of.</summary>
    public IDisposable Hold()
    {
        lock (_lock)
        {
            _ = Current();
            Drop();
            _holds++;
        }
        return new Held(this);
    }

    /// <summary>Whether content was used within <see cref="Grace"/>, or since the oldest hold, or is in use by a change.</summary>
    public bool IsRecent(Digest digest)
    {
        lock (_lock)
        {
            _ = Current();
            Drop();
            return clock.GetElapsedTime(_knownSince) < Grace || IsNoted(digest);
        }
    }

    /// <summary>
    /// Whether a use of content was noted within <see cref="Grace"/>. Unlike <see cref="IsRecent"/>, also when the process is younger.
    /// </summary>
    public bool IsNoted(Digest digest)
    {
        var key = KeyOf(digest);
        lock (_lock)
        {
            _ = Current();
            Drop();
            foreach (var slice in _slices)
            {
                if (slice.Filter.Contains(key)) return true;
            }
        }
        return false;
    }

    /// <summary>Whether a file was written within <see cref="Grace"/>, by its own time.</summary>
    public bool IsYoung(DateTimeOffset written) => written > clock.GetUtcNow() - Grace;

    // The latest slice; begins a new one, and drops the old ones, when it is time.
    private Slice Current()
    {
        if (_latest is { } latest && clock.GetElapsedTime(latest.Began) < Grace / SlicesOfGrace) return latest;
        lock (_lock)
        {
            var last = _slices[^1];
            // Nothing was noted in it after its time.
            if (clock.GetElapsedTime(last.Began) >= Grace / SlicesOfGrace) last = Begin(last.Began + Timestamps(Grace / SlicesOfGrace));
            return _latest = last;
        }
    }

    private Slice Begin(long ended)
    {
        _slices[^1].Ended = ended;
        var next = new Slice(clock.GetTimestamp());
        _slices.Add(next);
        Drop();
        return _latest = next;
    }

    private long Timestamps(TimeSpan time) => (long)(time.TotalSeconds * clock.TimestampFrequency);

    private void Drop()
    {
        while (_holds == 0 && _slices.Count > 1 && _slices[0].Users == 0 && clock.GetElapsedTime(_slices[0].Ended) > Grace)
        {
            _knownSince = _slices[0].Ended;
            _slices.RemoveAt(0);
        }
        if (_slices.Count <= MaxSlices) return;
        // The older one ends when the younger one did. Its users stay its own.
        var (older, younger) = (_slices[0], _slices[1]);
        older.Filter.Add(younger.Filter);
        older.Ended = younger.Ended;
        older.Users += younger.Users;
        younger.MergedInto = older;
        _slices.RemoveAt(1);
    }

    private void End(Slice slice)
    {
        lock (_lock)
        {
            while (slice.MergedInto is { } older) slice = older;
            slice.Users--;
        }
    }

    private void EndHold()
    {
        lock (_lock) _holds--;
    }

    // Digests are evenly distributed, and their first 64 bits are enough for four independent positions.
    private static ulong KeyOf(Digest digest) => (ulong)new DigestKey(digest).Hash64;

    private sealed class Slice(long began)
    {
        public long Began { get; } = began;

        public long Ended { get; set; }

        /// <summary>Changes that have begun in it and not ended.</summary>
        public int Users { get; set; }

        public Slice? MergedInto { get; set; }

        public UseFilter Filter { get; } = new();
    }

    /// <summary>A use by a change.</summary>
    public readonly struct Use : IDisposable
    {
        private readonly RecentUses _uses;
        private readonly object _slice;

        internal Use(RecentUses uses, object slice) => (_uses, _slice) = (uses, slice);

        /// <summary>Ends the use.</summary>
        public void Dispose() => _uses.End((Slice)_slice);
    }

    private sealed class Held(RecentUses uses) : IDisposable
    {
        private int _disposed;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0) uses.EndHold();
        }
    }
}

/// <summary>A Bloom filter of 2^23 bits with four positions for each key; all members may be called at the same time.</summary>
internal sealed class UseFilter
{
    // 1 MiB. Chosen: see RecentUses.
    private const int Words = 1 << 17;
    private const ulong Position = ((ulong)Words << 6) - 1;

    private ulong[]? _words;

    /// <summary>Adds a key; its bits must be evenly distributed.</summary>
    public void Add(ulong key)
    {
        var words = Volatile.Read(ref _words) ?? Make();
        for (var i = 0; i < 4; i++)
        {
            var at = At(key, i);
            ref var word = ref words[at >> 6];
            var bit = 1UL << (int)(at & 63);
            // Most bits are set already, and an atomic write costs more than a read.
            if ((Volatile.Read(ref word) & bit) == 0) Interlocked.Or(ref word, bit);
        }
    }

    /// <summary>Adds everything of another filter.</summary>
    public void Add(UseFilter other)
    {
        if (Volatile.Read(ref other._words) is not { } theirs) return;
        var words = Volatile.Read(ref _words) ?? Make();
        for (var i = 0; i < Words; i++)
        {
            if (Volatile.Read(ref theirs[i]) is var bits and not 0) Interlocked.Or(ref words[i], bits);
        }
    }

    /// <summary>Whether a key was added; sometimes true for one that was not.</summary>
    public bool Contains(ulong key)
    {
        if (Volatile.Read(ref _words) is not { } words) return false;
        for (var i = 0; i < 4; i++)
        {
            var at = At(key, i);
            if ((Volatile.Read(ref words[at >> 6]) & (1UL << (int)(at & 63))) == 0) return false;
        }
        return true;
    }

    // 1 MiB only for a slice in which anything was used.
    private ulong[] Make() => Interlocked.CompareExchange(ref _words, new ulong[Words], null) is { } other ? other : _words!;

    // Double hashing (Kirsch and Mitzenmacher, "Less Hashing, Same Performance"): two halves make four positions.
    private static ulong At(ulong key, int i) => ((key & 0xFFFF_FFFF) + ((ulong)i * (key >> 32 | 1)) + ((ulong)i << 13)) & Position;
}
