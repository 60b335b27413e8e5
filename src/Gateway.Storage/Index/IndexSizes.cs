namespace Gateway.Storage;

/// <summary>
/// Memory of one store of the lookup index, in bytes: the newest part of its log, and its hash table. Both are powers of two.
/// </summary>
internal readonly record struct IndexSizes(long Log, long HashTable)
{
    /// <summary>For links: 110,000 of them in memory. With 1 million blobs all in memory, both stores took 212 MiB (measured).</summary>
    public static readonly IndexSizes Links = new(16 << 20, 16 << 20);

    /// <summary>
    /// For content, which is not read on a hit: 75,000 records in memory. Seven entries in 64 bytes of hash table: 1.8 million without
    /// overflow.
    /// </summary>
    public static readonly IndexSizes Content = new(8 << 20, 16 << 20);
}
