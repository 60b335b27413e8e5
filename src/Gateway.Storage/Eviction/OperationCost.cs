namespace Gateway.Storage;

/// <summary>The most disk space that each operation on a cached repository can take, in bytes.</summary>
internal sealed class OperationCost : IOperationHandler<Nothing, long>
{
    private static readonly OperationCost Instance = new();

    /// <summary>The most disk space that an operation can take, in bytes; 0 for one that adds no file.</summary>
    public static long Of(Operation operation) => operation.Accept(Instance, default(Nothing));

    public long StoreManifest(Operation.StoreManifest operation, Nothing context) =>
        DiskCost.OfContent(operation.Bytes.Length) + DiskCost.Link;

    public long LinkBlob(Operation.LinkBlob operation, Nothing context) => DiskCost.Link;

    public long SetLive(Operation.SetLive operation, Nothing context) => DiskCost.Tag;

    public long Hold(Operation.Hold operation, Nothing context) => 0;

    public long EndHold(Operation.EndHold operation, Nothing context) => 0;

    public long Release(Operation.Release operation, Nothing context) => 0;

    public long Forward(Operation.Forward operation, Nothing context) => 0;

    public long Forwarded(Operation.Forwarded operation, Nothing context) => 0;

    public long SetVerdict(Operation.SetVerdict operation, Nothing context) => 0;

    public long AddReferrer(Operation.AddReferrer operation, Nothing context) => DiskCost.Evidence;

    public long StoreListed(Operation.StoreListed operation, Nothing context) => DiskCost.OfFile(operation.Text.Length);

    public long AddEvidence(Operation.AddEvidence operation, Nothing context) => DiskCost.Evidence;

    public long Seen(Operation.Seen operation, Nothing context) => 0;

    public long Validated(Operation.Validated operation, Nothing context) => 0;

    public long RemoveTag(Operation.RemoveTag operation, Nothing context) => 0;

    public long RemoveManifest(Operation.RemoveManifest operation, Nothing context) => 0;

    public long RemoveEvidence(Operation.RemoveEvidence operation, Nothing context) => 0;

    public long RemoveListed(Operation.RemoveListed operation, Nothing context) => 0;

    public long RemoveAllEvidence(Operation.RemoveAllEvidence operation, Nothing context) => 0;

    public long RemoveEmpty(Operation.RemoveEmpty operation, Nothing context) => 0;

    public long RemoveBlob(Operation.RemoveBlob operation, Nothing context) => 0;
}
