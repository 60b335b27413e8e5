namespace Gateway.Storage;

/// <summary>
/// Memory of one store of the lookup index, in bytes: the newest part of its log, and its hash table. Both are powers of two.
/// </summary>
/// <remarks>
/// Each new record touches another page of the hash table, so a table fills its pages long before its buckets: after some thousand pushes
/// all of it is resident. A bucket of 64 bytes has seven entries; more are in overflow buckets, which the store allocates as they fill.
/// </remarks>
internal readonly record struct IndexSizes(long Log, long HashTable)
{
    /// <summary>
    /// For links: 110,000 of them in memory, and 458,000 without overflow. A lookup among 1 million reads two or three buckets.
    /// </summary>
    public static readonly IndexSizes Links = new(16 << 20, 4 << 20);

    /// <summary>For content, which is not read on a hit: 37,000 records in memory, and 229,000 without overflow.</summary>
    public static readonly IndexSizes Content = new(4 << 20, 2 << 20);
}
