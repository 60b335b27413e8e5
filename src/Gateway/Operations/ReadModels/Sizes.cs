namespace Gateway.Operations.ReadModels;

/// <summary>
/// Adds sizes for pages. Manifests state the sizes of their blobs, so a sum may exceed 64 bits; it then stays at the largest number.
/// </summary>
internal static class Sizes
{
    /// <summary>The sum of two sizes in bytes, at most <see cref="long.MaxValue"/>.</summary>
    public static long Add(long one, long other) => one > long.MaxValue - other ? long.MaxValue : one + other;

    /// <summary>The sum of sizes in bytes, at most <see cref="long.MaxValue"/>.</summary>
    public static long Sum(IEnumerable<long> sizes) => sizes.Aggregate(0L, Add);
}
