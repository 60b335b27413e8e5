namespace Gateway.Configuration;

/// <summary>When unneeded content is collected.</summary>
internal sealed record GcOptions
{
    /// <summary>From the start of one collection to the next; <see cref="Timeout.InfiniteTimeSpan"/> for never by itself.</summary>
    public TimeSpan Every { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How long content stays that was pushed or found by a pusher, and that no manifest names yet.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromHours(1);
}

/// <summary>How long removed content can be restored.</summary>
internal sealed record TrashOptions
{
    /// <summary>From the removal.</summary>
    public TimeSpan MaxAge { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Bytes of removed content; the oldest goes first.</summary>
    public long MaxSize { get; init; } = 10L << 30;
}

/// <summary>When and how fast stored content is checked.</summary>
internal sealed record ScrubOptions
{
    /// <summary>From the start of one scrub to the next; <see cref="Timeout.InfiniteTimeSpan"/> for never by itself.</summary>
    public TimeSpan Every { get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>Bytes per second that are read.</summary>
    public long Rate { get; init; } = 64L << 20;
}

/// <summary>The sections <c>gc</c>, <c>trash</c> and <c>scrub</c>.</summary>
internal static class UpkeepSchema
{
    public static readonly Section<GcOptions> Gc = new(() => new())
    {
        {
            "every", Scalars.Duration(("off", Timeout.InfiniteTimeSpan)), "24h",
            "Time from one collection to the next; `off` leaves it to `gateway gc`.", (o, v) => o with { Every = v }
        },
        {
            "grace", Scalars.Duration(), "1h",
            "How long a blob that no manifest names stays after it was pushed, mounted or found by a `HEAD`. Nothing is collected in this "
            + "time after a start.",
            (o, v) => o with { Grace = v }
        },
    };

    public static readonly Section<TrashOptions> Trash = new(() => new())
    {
        { "maxAge", Scalars.Duration(), "24h", "How long removed content can be restored.", (o, v) => o with { MaxAge = v } },
        {
            "maxSize", Scalars.Size, "10GiB",
            "Maximum bytes of removed content; the oldest goes first. It also goes when the volume has less than `cache.keepFree`.",
            (o, v) => o with { MaxSize = v }
        },
    };

    public static readonly Section<ScrubOptions> Scrub = new(() => new())
    {
        {
            "every", Scalars.Duration(("off", Timeout.InfiniteTimeSpan)), "off",
            "Time from one scrub to the next; `off` leaves it to `gateway scrub`.", (o, v) => o with { Every = v }
        },
        {
            "rate", Scalars.SizeWithin(1 << 20, 1L << 40), "64MiB", "Bytes per second that a scrub reads.",
            (o, v) => o with { Rate = v }
        },
    };
}
