using System.Collections.Immutable;

namespace Gateway.Configuration;

internal sealed record StorageOptions
{
    /// <summary>Absolute path of the volume; one process at a time.</summary>
    public string Path { get; init; } = System.IO.Path.GetFullPath("./data");

    /// <summary>The bucket with pushed content; null if it is below <see cref="Path"/>.</summary>
    public BucketOptions? S3 { get; init; }
}

internal sealed record CacheOptions
{
    /// <summary>Maximum bytes of cached content; pushed content does not count.</summary>
    public long MaxSize { get; init; } = 20L << 30;

    /// <summary>Bytes of the volume to keep free; below that, content passes through without being cached.</summary>
    public long KeepFree { get; init; } = 1L << 30;

    public PrefetchOptions Prefetch { get; init; } = PrefetchOptions.Off;
}

/// <summary>What is prefetched after a manifest.</summary>
internal enum PrefetchMode
{
    /// <summary>Nothing.</summary>
    Off,

    /// <summary>Config and layers; of an index, for the platforms that clients have requested recently.</summary>
    Auto,

    /// <summary>Config and layers; of an index, for these platforms.</summary>
    Listed,
}

/// <param name="Platforms">Of <see cref="PrefetchMode.Listed"/>: <c>os/architecture</c> or <c>os/architecture/variant</c>.</param>
internal sealed record PrefetchOptions(PrefetchMode Mode, ImmutableArray<string> Platforms)
{
    public static readonly PrefetchOptions Off = new(PrefetchMode.Off, []);

    public static readonly PrefetchOptions Auto = new(PrefetchMode.Auto, []);

    /// <summary>Whether the list contains a platform; an entry without a variant matches every variant.</summary>
    public static bool Matches(IEnumerable<string> written, string platform) =>
        written.Any(each => platform == each || platform.StartsWith(each + "/", StringComparison.Ordinal));
}
