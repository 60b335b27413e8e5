namespace Gateway.Storage;

/// <summary>
/// A key of the index: fixed size, no padding, and bytes that are as good as random already, so that no hash need be computed.
/// </summary>
internal interface IIndexKey
{
    /// <summary>64 bits of the key, evenly spread.</summary>
    long Hash64 { get; }
}
