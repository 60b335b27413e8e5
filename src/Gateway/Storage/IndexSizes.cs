namespace Gateway.Storage;

/// <summary>Memory of one store of the index, in bytes: of its log's newest part and of its hash table; powers of two.</summary>
internal readonly record struct IndexSizes(long Log, long HashTable)
{
    /// <summary>For links: 110,000 of them in memory (architecture.md §1.9: with more, 1 million blobs do not fit the memory budget).</summary>
    public static readonly IndexSizes Links = new(16 << 20, 16 << 20);

    /// <summary>For content, which is not read on a hit: 75,000 records in memory. Seven entries in 64 bytes of hash table: 1.8 million without overflow.</summary>
    public static readonly IndexSizes Content = new(8 << 20, 16 << 20);
}
