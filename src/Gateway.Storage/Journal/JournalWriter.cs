using Gateway.Oci;

namespace Gateway.Storage;

/// <summary>The number of each form of an operation in the journal. A number is never reused for another form.</summary>
internal enum JournalCode : byte
{
    StoreManifest = 1,
    LinkBlob = 2,
    SetLive = 3,
    SetVerdict = 4,
    AddReferrer = 5,
    Seen = 6,
    RemoveTag = 7,
    RemoveManifest = 8,
    RemoveBlob = 9,
    Hold = 10,
    EndHold = 11,
    AddEvidence = 12,
    CountedEvidence = 13,
    Forward = 14,
    Forwarded = 15,
    RemoveManifestWritten = 16,
    RemoveBlobWritten = 17,
    Release = 18,
    StoreManifestByDigest = 19,
    HoldNumbered = 20,
}

/// <summary>
/// Writes operations in the form of the journal. Each method returns whether the record also notes the previous binding of the tag.
/// </summary>
internal sealed class JournalWriter : IOperationHandler<BinaryWriter, bool>
{
    public static readonly JournalWriter Instance = new();

    private JournalWriter()
    {
    }

    public bool StoreManifest(Operation.StoreManifest operation, BinaryWriter to)
    {
        if (operation.Size != operation.Bytes.Length)
        {
            Head(to, JournalCode.StoreManifestByDigest, operation.Digest);
            to.Write(operation.Size);
            return false;
        }
        Head(to, JournalCode.StoreManifest, operation.Digest);
        var isInline = operation.Bytes.Length <= JournalRecord.MaxInline;
        to.Write(isInline ? operation.Bytes.Length : -1);
        if (isInline) to.Write(operation.Bytes.Span);
        return false;
    }

    public bool LinkBlob(Operation.LinkBlob operation, BinaryWriter to)
    {
        Head(to, JournalCode.LinkBlob, operation.Digest);
        to.Write(operation.Size);
        to.Write(operation.Upload ?? "");
        to.Write(operation.Parent.ToString());
        return false;
    }

    public bool SetLive(Operation.SetLive operation, BinaryWriter to)
    {
        Head(to, JournalCode.SetLive, operation.Digest);
        to.Write(operation.Tag.Value);
        return true;
    }

    public bool Hold(Operation.Hold operation, BinaryWriter to)
    {
        Head(to, operation.Number is null ? JournalCode.Hold : JournalCode.HoldNumbered, operation.Digest);
        to.Write(operation.Tag.Value);
        to.Write(operation.Actor);
        to.Write(operation.Expires.ToUnixTimeMilliseconds());
        to.Write(operation.Missing);
        if (operation.Number is { } number) to.Write(number);
        return false;
    }

    public bool EndHold(Operation.EndHold operation, BinaryWriter to)
    {
        to.Write((byte)JournalCode.EndHold);
        to.Write(operation.Tag.Value);
        return false;
    }

    public bool Release(Operation.Release operation, BinaryWriter to)
    {
        Head(to, JournalCode.Release, operation.Digest);
        to.Write(operation.Actor);
        to.Write(operation.Reason);
        return false;
    }

    public bool Forward(Operation.Forward operation, BinaryWriter to)
    {
        to.Write((byte)JournalCode.Forward);
        to.Write(operation.Manifests.Length);
        foreach (var manifest in operation.Manifests) to.Write(manifest.ToString());
        to.Write(operation.Tags.Length);
        foreach (var (tag, digest) in operation.Tags)
        {
            to.Write(tag.Value);
            to.Write(digest.ToString());
        }
        return false;
    }

    public bool Forwarded(Operation.Forwarded operation, BinaryWriter to)
    {
        to.Write((byte)JournalCode.Forwarded);
        to.Write(operation.Number);
        to.Write(operation.Refusal ?? "");
        return false;
    }

    public bool SetVerdict(Operation.SetVerdict operation, BinaryWriter to)
    {
        Head(to, JournalCode.SetVerdict, operation.Digest);
        to.Write(operation.Verdict.Revision);
        to.Write(operation.Verdict.Outcome);
        to.Write(operation.Verdict.Until);
        return false;
    }

    public bool AddReferrer(Operation.AddReferrer operation, BinaryWriter to)
    {
        Head(to, JournalCode.AddReferrer, operation.Subject);
        // As in its file: a long descriptor is omitted, and the manifest is read again.
        var text = ReferrerFile.Write(operation.Referrer);
        to.Write(text.Length <= Referrers.MaxDescriptorBytes ? text : operation.Referrer.Digest.ToString());
        return false;
    }

    public bool AddEvidence(Operation.AddEvidence operation, BinaryWriter to)
    {
        Head(to, operation.Counted ? JournalCode.CountedEvidence : JournalCode.AddEvidence, operation.Subject);
        to.Write(operation.Evidence.ToString());
        return false;
    }

    public bool Seen(Operation.Seen operation, BinaryWriter to)
    {
        Head(to, JournalCode.Seen, operation.Digest);
        to.Write(operation.At.ToUnixTimeMilliseconds());
        return false;
    }

    public bool RemoveTag(Operation.RemoveTag operation, BinaryWriter to)
    {
        to.Write((byte)JournalCode.RemoveTag);
        to.Write(operation.Tag.Value);
        return true;
    }

    public bool RemoveManifest(Operation.RemoveManifest operation, BinaryWriter to) =>
        Removal(to, operation, JournalCode.RemoveManifest, JournalCode.RemoveManifestWritten);

    public bool RemoveBlob(Operation.RemoveBlob operation, BinaryWriter to) =>
        Removal(to, operation, JournalCode.RemoveBlob, JournalCode.RemoveBlobWritten);

    public bool StoreListed(Operation.StoreListed operation, BinaryWriter to) => throw NotJournaled(operation);

    public bool Validated(Operation.Validated operation, BinaryWriter to) => throw NotJournaled(operation);

    public bool RemoveEvidence(Operation.RemoveEvidence operation, BinaryWriter to) => throw NotJournaled(operation);

    public bool RemoveListed(Operation.RemoveListed operation, BinaryWriter to) => throw NotJournaled(operation);

    public bool RemoveAllEvidence(Operation.RemoveAllEvidence operation, BinaryWriter to) => throw NotJournaled(operation);

    public bool RemoveEmpty(Operation.RemoveEmpty operation, BinaryWriter to) => throw NotJournaled(operation);

    private static bool Removal(BinaryWriter to, Operation.Removal operation, JournalCode code, JournalCode codeWithTime)
    {
        Head(to, operation.Written is null ? code : codeWithTime, operation.Digest);
        if (operation.Written is { } written) to.Write(written.ToUnixTimeMilliseconds());
        return false;
    }

    private static void Head(BinaryWriter to, JournalCode code, Digest digest)
    {
        to.Write((byte)code);
        to.Write(digest.ToString());
    }

    // Only for cached repositories, whose changes are not journaled.
    private static InvalidOperationException NotJournaled(Operation operation) =>
        new($"expected an operation of a journaled repository, got {operation.GetType().Name}");
}
