using Gateway.Storage;

namespace Gateway.Fronting;

/// <summary>
/// Whether each operation of a push changes the staged root; otherwise it changes the cached root. What is noted about a manifest is
/// where the manifest is. Held pushes are always staged.
/// </summary>
internal static class StagedOperations
{
    /// <summary>Whether an operation changes the staged root.</summary>
    /// <param name="staysStaged">Whether a manifest stays staged after the change.</param>
    /// <param name="anyArrived">Whether the upstream has received a manifest of the change.</param>
    public static bool IsStaged(Operation operation, Func<Digest, bool> staysStaged, bool anyArrived) => operation switch
    {
        Operation.StoreManifest o => staysStaged(o.Digest),
        Operation.LinkBlob o => (o.Parent.IsEmpty && !anyArrived) || staysStaged(o.Parent),
        Operation.SetLive o => staysStaged(o.Digest),
        Operation.Hold or Operation.EndHold => true,
        Operation.Release o => staysStaged(o.Digest),
        Operation.SetVerdict o => staysStaged(o.Digest),
        Operation.AddReferrer o => staysStaged(o.Referrer.Digest),
        Operation.AddEvidence o => staysStaged(o.Evidence),
        Operation.Seen o => staysStaged(o.Digest),
        Operation.Forward or Operation.Forwarded or Operation.StoreListed or Operation.Validated or Operation.RemoveTag
            or Operation.Removal or Operation.RemoveEvidence or Operation.RemoveListed or Operation.RemoveAllEvidence
            or Operation.RemoveEmpty => false,
        _ => throw Operation.Unknown(operation),
    };
}
