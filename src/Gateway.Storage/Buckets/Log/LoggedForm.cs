using System.Collections.Immutable;

namespace Gateway.Storage;

/// <summary>
/// The form that an operation has in a shared log. Bytes and uploads are in the bucket before the log names their digest. A verdict is each
/// replica's own, so others only learn that what they know may be outdated.
/// </summary>
internal static class LoggedForm
{
    /// <summary>A change as the log has it.</summary>
    public static JournalRecord Of(JournalRecord record)
    {
        // What a pull notes when it evaluates says nothing new to the other replicas.
        var isNews = record.Operations.Any(static o =>
            o is not (Operation.SetVerdict { Verdict.Revision: not 0 } or Operation.AddEvidence { Counted: true }));
        return record with
        {
            Repository = "",
            Operations = [.. record.Operations.Where(o => isNews || o is not Operation.SetVerdict).Select(FormOf)],
        };
    }

    /// <summary>Whether operations only note verdicts, which each replica has for itself.</summary>
    public static bool IsOwn(IEnumerable<Operation> operations) =>
        operations.All(static o => o is Operation.SetVerdict { Verdict.Revision: not 0 });

    private static Operation FormOf(Operation operation) => operation switch
    {
        Operation.StoreManifest o => o with { Bytes = default },
        Operation.LinkBlob o => o with { Upload = null },
        Operation.SetVerdict o => o with { Verdict = default },
        // Each replica dates them by its own files.
        Operation.Removal o => o with { Written = null },
        _ => operation,
    };
}
