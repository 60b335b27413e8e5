namespace Gateway.Storage;

/// <summary>
/// A key of the lookup index: fixed size, no padding, and bytes that are evenly distributed, so that no hash must be computed.
/// </summary>
internal interface IIndexKey
{
    /// <summary>64 bits of the key, evenly spread.</summary>
    long Hash64 { get; }
}
