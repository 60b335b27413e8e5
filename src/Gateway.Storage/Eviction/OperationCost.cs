namespace Gateway.Storage;

/// <summary>The most disk space that each operation on a cached repository can take.</summary>
internal static class OperationCost
{
    /// <summary>The most disk space that an operation can take, in bytes; 0 for one that adds no file.</summary>
    public static long Of(Operation operation) => operation switch
    {
        Operation.StoreManifest o => DiskCost.OfContent(o.Bytes.Length) + DiskCost.Link,
        Operation.LinkBlob => DiskCost.Link,
        Operation.SetLive => DiskCost.Tag,
        Operation.AddReferrer or Operation.AddEvidence => DiskCost.Evidence,
        Operation.StoreListed o => DiskCost.OfFile(o.Text.Length),
        Operation.Hold or Operation.EndHold or Operation.Release or Operation.Forward or Operation.Forwarded or Operation.SetVerdict
            or Operation.Seen or Operation.Validated or Operation.RemoveTag or Operation.Removal or Operation.RemoveEvidence
            or Operation.RemoveListed or Operation.RemoveAllEvidence or Operation.RemoveEmpty => 0,
        _ => throw Operation.Unknown(operation),
    };
}
