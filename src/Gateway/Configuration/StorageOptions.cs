using System.Collections.Immutable;

namespace Gateway.Configuration;

internal sealed record StorageOptions
{
    /// <summary>Absolute path of the volume; one process at a time.</summary>
    public string Path { get; init; } = System.IO.Path.GetFullPath("./data");
}

internal sealed record CacheOptions
{
    /// <summary>Most bytes of cached content; what clients pushed does not count.</summary>
    public long MaxSize { get; init; } = 20L << 30;

    /// <summary>Bytes of the volume kept free; below it content passes through without being kept.</summary>
    public long KeepFree { get; init; } = 1L << 30;

    public PrefetchOptions Prefetch { get; init; } = PrefetchOptions.Off;
}

/// <summary>What is fetched ahead of need when a manifest has come.</summary>
internal enum PrefetchMode
{
    /// <summary>Nothing.</summary>
    Off,

    /// <summary>Config and layers; of an index, for the platforms that clients have lately asked for.</summary>
    Auto,

    /// <summary>Config and layers; of an index, for these platforms.</summary>
    Listed,
}

/// <param name="Platforms">Of <see cref="PrefetchMode.Listed"/>: <c>os/architecture</c> or <c>os/architecture/variant</c>.</param>
internal sealed record PrefetchOptions(PrefetchMode Mode, ImmutableArray<string> Platforms)
{
    public static readonly PrefetchOptions Off = new(PrefetchMode.Off, []);

    public static readonly PrefetchOptions Auto = new(PrefetchMode.Auto, []);

    /// <summary>Whether a platform is one of those written; one written without a variant means every variant.</summary>
    public static bool Matches(IEnumerable<string> written, string platform) =>
        written.Any(each => platform == each || platform.StartsWith(each + "/", StringComparison.Ordinal));
}
