using System.Collections.Immutable;
using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>
/// The form that an operation has in a shared log. Bytes and uploads are in the bucket before the log names their digest. A verdict is each
/// replica's own, so others only learn that what they know may be outdated.
/// </summary>
internal sealed class LoggedForm : IOperationHandler<Nothing, Operation>
{
    private static readonly LoggedForm Instance = new();

    /// <summary>A change as the log has it.</summary>
    public static JournalRecord Of(JournalRecord record)
    {
        // What a pull notes when it evaluates says nothing new to the other replicas.
        var isNews = record.Operations.Any(static o =>
            o is not (Operation.SetVerdict { Verdict.Revision: not 0 } or Operation.AddEvidence { Counted: true }));
        return record with
        {
            Repository = "",
            Operations =
            [
                .. record.Operations.Where(o => isNews || o is not Operation.SetVerdict).Select(static o => o.Accept(Instance, default)),
            ],
        };
    }

    /// <summary>Whether operations only note verdicts, which each replica has for itself.</summary>
    public static bool IsOwn(IEnumerable<Operation> operations) =>
        operations.All(static o => o is Operation.SetVerdict { Verdict.Revision: not 0 });

    public Operation StoreManifest(Operation.StoreManifest operation, Nothing context) => operation with { Bytes = default };

    public Operation LinkBlob(Operation.LinkBlob operation, Nothing context) => operation with { Upload = null };

    public Operation SetVerdict(Operation.SetVerdict operation, Nothing context) => operation with { Verdict = default };

    // Each replica dates them by its own files.
    public Operation RemoveManifest(Operation.RemoveManifest operation, Nothing context) => operation with { Written = null };

    public Operation RemoveBlob(Operation.RemoveBlob operation, Nothing context) => operation with { Written = null };

    public Operation SetLive(Operation.SetLive operation, Nothing context) => operation;

    public Operation Hold(Operation.Hold operation, Nothing context) => operation;

    public Operation EndHold(Operation.EndHold operation, Nothing context) => operation;

    public Operation Release(Operation.Release operation, Nothing context) => operation;

    public Operation AddReferrer(Operation.AddReferrer operation, Nothing context) => operation;

    public Operation AddEvidence(Operation.AddEvidence operation, Nothing context) => operation;

    public Operation Seen(Operation.Seen operation, Nothing context) => operation;

    public Operation RemoveTag(Operation.RemoveTag operation, Nothing context) => operation;

    public Operation Forward(Operation.Forward operation, Nothing context) => operation;

    public Operation Forwarded(Operation.Forwarded operation, Nothing context) => operation;

    public Operation StoreListed(Operation.StoreListed operation, Nothing context) => operation;

    public Operation Validated(Operation.Validated operation, Nothing context) => operation;

    public Operation RemoveEvidence(Operation.RemoveEvidence operation, Nothing context) => operation;

    public Operation RemoveListed(Operation.RemoveListed operation, Nothing context) => operation;

    public Operation RemoveAllEvidence(Operation.RemoveAllEvidence operation, Nothing context) => operation;

    public Operation RemoveEmpty(Operation.RemoveEmpty operation, Nothing context) => operation;
}
